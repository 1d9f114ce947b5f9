using System.Threading.Channels;
using GrpoActors.Core.Runs;
using GrpoActors.Host.Journal;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Host.Embedded;

/// <summary>
/// The one thread that decides. Takes commands from the mailbox, lets the stages decide, appends what they decided, and only then runs the effects.
/// </summary>
/// <remarks>
/// Commands that wait together share one transaction. A failed append ends the loop: whoever starts next recovers by folding.
/// <code>
///   mailbox -> decide, decide, ... -> check -> append (durable) -> observers -> effects -> mailbox
/// </code>
/// </remarks>
/// <param name="check">Asked of each event before it is appended; throws if it must never become durable.</param>
/// <param name="committed">Told of each event once it is durable.</param>
internal sealed class DecisionLoop(
    Pipeline start, IJournal journal, Action<FoldedEvent> check, Action<FoldedEvent> committed, Action<Effect> run, ILogger log)
{
    private const int CommandsPerTransactionMax = 256;

    private readonly Channel<Command> mailbox = Channel.CreateUnbounded<Command>(new UnboundedChannelOptions { SingleReader = true });
    private volatile Pipeline pipeline = start; // read by supervisors

    public RunState Run => pipeline.Run;

    /// <summary>Never blocks; a command after the end is dropped.</summary>
    public void Post(Command command) => mailbox.Writer.TryWrite(command);

    /// <summary>Ends <see cref="RunAsync"/> with this failure.</summary>
    public void Fail(Exception failure) => mailbox.Writer.TryComplete(failure);

    /// <summary>Returns when the run has ended; throws when it was stopped or failed.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await CarryOut([pipeline.Resume()], stop);
        var steps = new List<PipelineStep>();
        while (pipeline.Run.Ended is null)
        {
            steps.Clear();
            Command first = await Next(stop);
            steps.Add(Decide(first));
            while (steps.Count < CommandsPerTransactionMax && pipeline.Run.Ended is null && mailbox.Reader.TryRead(out Command? more))
            {
                steps.Add(Decide(more));
            }

            await CarryOut(steps, stop);
        }
    }

    private async ValueTask<Command> Next(CancellationToken stop)
    {
        try
        {
            return await mailbox.Reader.ReadAsync(stop);
        }
        catch (ChannelClosedException closed) when (closed.InnerException is not null)
        {
            throw closed.InnerException;
        }
    }

    private PipelineStep Decide(Command command)
    {
        PipelineStep step = pipeline.Handle(command);
        if (command is Command.DeadlinePassed late && step.Effects.Length > 0)
        {
            log.LogWarning("No word within its deadline of {Waiting}{For}; asked again", late.Deadline, WaitingFor(late.Deadline));
        }

        pipeline = step.Next;
        return step;
    }

    /// <summary>The groups that a silent generator holds; other waits have their ids in their names.</summary>
    private string WaitingFor(DeadlineId deadline)
    {
        string[] held = deadline.For == Waits.Ticket
            ? [.. pipeline.Generation.Leases.Where(lease => lease.Value.Name == deadline.Subject).Select(lease => lease.Key.ToString())]
            : [];
        return held.Length == 0 ? "" : $", which holds {string.Join(", ", held)}";
    }

    private async Task CarryOut(IReadOnlyList<PipelineStep> steps, CancellationToken stop)
    {
        pipeline = steps[^1].Next;
        FoldedEvent[] events = [.. steps.SelectMany(step => step.Events)];
        if (events.Length > 0)
        {
            foreach (FoldedEvent e in events)
            {
                check(e);
            }

            await journal.AppendAsync(journal.Position, [.. events.Select(e => e.Event)], CancellationToken.None);
            foreach (FoldedEvent e in events)
            {
                committed(e);
            }
        }

        stop.ThrowIfCancellationRequested();
        foreach (Effect effect in steps.SelectMany(step => step.Effects))
        {
            if (effect is Effect.DeleteRecords retired)
            {
                await journal.DeleteBeforeAsync(retired.Before, CancellationToken.None); // the journal is this thread's alone
            }
            else
            {
                run(effect);
            }
        }
    }
}
