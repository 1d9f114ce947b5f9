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
/// What is decided, when it is appended and when the run is given up is <see cref="Decider"/>'s. A failed append ends the loop: the next start recovers
/// by folding.
/// <code>
///   mailbox -> decide, decide, ... -> append (durable) -> observers -> effects -> mailbox
/// </code>
/// </remarks>
/// <param name="committed">Told of each event once it is durable.</param>
internal sealed class DecisionLoop(Decider start, IJournal journal, Action<FoldedEvent> committed, Action<Effect> run, TimeProvider time, ILogger log)
{
    private readonly Channel<Command> mailbox = Channel.CreateUnbounded<Command>(new UnboundedChannelOptions { SingleReader = true });
    private volatile Decider decider = start; // read by supervisors
    private Task<bool>? arrival;

    public RunState Run => decider.Run;

    /// <summary>Never blocks; a command after the end is dropped.</summary>
    public void Post(Command command) => mailbox.Writer.TryWrite(command);

    /// <summary>Ends <see cref="RunAsync"/> with this failure.</summary>
    public void Fail(Exception failure) => mailbox.Writer.TryComplete(failure);

    /// <summary>Returns when the run has ended; throws when it was stopped or failed.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        decider = decider.Resume();
        await CarryOut(stop);
        while (decider.Run.Ended is null)
        {
            decider = decider.Handle(await Next(stop));
            Task? delay = null;
            do
            {
                while (!decider.IsFull && !decider.IsOver && mailbox.Reader.TryRead(out Command? more))
                {
                    decider = decider.Handle(more);
                }
            }
            while (decider.CanDelayCommit && await Another(delay ??= Task.Delay(Decider.GroupCommitDelay, time, stop)));

            await CarryOut(stop);
        }
    }

    /// <returns>False: the delay is over, or the run is.</returns>
    private async ValueTask<bool> Another(Task delay)
    {
        Task<bool> more = Arrival();
        return await Task.WhenAny(more, delay) == more && more.IsCompletedSuccessfully;
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

    private async Task CarryOut(CancellationToken stop)
    {
        decider = decider.Take(out DecidedBatch batch);
        foreach (MissedDeadline missed in batch.Missed)
        {
            log.LogWarning("{Missed}", missed);
        }

        if (batch.Events.Length > 0)
        {
            await journal.AppendAsync(batch.Position, [.. batch.Events.Select(e => e.Event)], CancellationToken.None);
            foreach (FoldedEvent e in batch.Events)
            {
                committed(e);
            }
        }

        stop.ThrowIfCancellationRequested();
        foreach (Effect effect in batch.Effects)
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
