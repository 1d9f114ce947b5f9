using System.Collections.Immutable;
using System.Threading.Channels;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Embedded;

/// <summary>
/// The one thread that decides. Takes commands from the mailbox, lets the stages decide, appends what they decided, and only then runs the effects.
/// </summary>
/// <remarks>
/// Commands that wait together share one transaction, and records that let nobody go on (scored completions of a batch that lacks others) wait a moment for
/// company: they cost no flush of their own. A failed append ends the loop: whoever starts next recovers by folding.
/// <code>
///   mailbox -> decide, decide, ... -> check -> append (durable) -> observers -> effects -> mailbox
/// </code>
/// </remarks>
/// <param name="check">Asked of each event before it is appended; throws if it must never become durable.</param>
/// <param name="committed">Told of each event once it is durable.</param>
/// <param name="askedMax">So often one piece of work is asked for between two records; then the loop ends and says what it waits for.</param>
internal sealed class DecisionLoop(
    Pipeline start, IJournal journal, Action<FoldedEvent> check, Action<FoldedEvent> committed, Action<Effect> run, int askedMax, TimeProvider time, ILogger log)
{
    private const int CommandsPerTransactionMax = 256, WaitsNamedMax = 5;

    /// <summary>What a crash may cost at most beyond the flush itself: small beside a step, long beside a flush.</summary>
    private static readonly TimeSpan Company = TimeSpan.FromMilliseconds(20);

    private readonly Channel<Command> mailbox = Channel.CreateUnbounded<Command>(new UnboundedChannelOptions { SingleReader = true });
    private volatile Pipeline pipeline = start; // read by supervisors
    private readonly Dictionary<(Waits, string), int> unanswered = []; // since the last record
    private Task<bool>? arrival;

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
            Task? patience = null;
            do
            {
                while (steps.Count < CommandsPerTransactionMax && pipeline.Run.Ended is null && mailbox.Reader.TryRead(out Command? more))
                {
                    steps.Add(Decide(more));
                }
            }
            while (NobodyWaits(steps) && await Another(patience ??= Task.Delay(Company, time, stop)));

            await CarryOut(steps, stop);
        }
    }

    private static bool NobodyWaits(List<PipelineStep> steps) =>
        steps.Count < CommandsPerTransactionMax && steps.Exists(step => step.Events.Length > 0) && steps.TrueForAll(step => step.Effects.IsEmpty && step.Next.Run.Ended is null);

    /// <returns>False: the patience is over, or the run is.</returns>
    private async ValueTask<bool> Another(Task patience)
    {
        Task<bool> more = Arrival();
        return await Task.WhenAny(more, patience) == more && more.IsCompletedSuccessfully;
    }

    private async ValueTask<Command> Next(CancellationToken stop)
    {
        Command? next;
        while (!mailbox.Reader.TryRead(out next))
        {
            await Arrival().WaitAsync(stop); // throws the failure that the mailbox was closed with
        }

        return next;
    }

    /// <summary>Done when the mailbox is, or was, no longer empty. One wait at a time, whoever asks.</summary>
    private Task<bool> Arrival() => arrival is { IsCompleted: false } ? arrival : arrival = mailbox.Reader.WaitToReadAsync(CancellationToken.None).AsTask();

    private PipelineStep Decide(Command command)
    {
        PipelineStep step = pipeline.Handle(command);
        if (command is Command.DeadlinePassed late && (step.Effects.Length > 0 || step.Next.Generation.Leases.Count < pipeline.Generation.Leases.Count)) // taken back, for whoever asks next
        {
            Miss(late.Deadline);
        }

        if (step.Events.Length > 0)
        {
            unanswered.Clear();
        }

        pipeline = step.Next;
        return step;
    }

    private void Miss(DeadlineId deadline)
    {
        int asked = unanswered[(deadline.For, deadline.Subject)] = unanswered.GetValueOrDefault((deadline.For, deadline.Subject)) + 1;
        if (asked >= askedMax)
        {
            ImmutableArray<OpenWait> waits = OpenWait.Of(pipeline);
            string more = waits.Length > WaitsNamedMax ? $"; and {waits.Length - WaitsNamedMax} more" : "";
            Fail(new RunFailedException($"Asked {asked} times for {deadline.For} {deadline.Subject} and nothing came of anything: {string.Join("; ", waits.Take(WaitsNamedMax))}{more}. The state is intact; the same command goes on from there."));
            return;
        }

        log.LogWarning("No word within its deadline of {Waiting}{For}; asked again", deadline, WaitingFor(deadline));
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
