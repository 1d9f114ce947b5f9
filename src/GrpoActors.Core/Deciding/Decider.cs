using System.Collections.Immutable;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Deciding;

/// <summary>
/// Decides for a run and says what to append when: the stages decide on each command, what they decide is gathered, and <see cref="Take"/> hands it
/// out as one batch, to be appended in one transaction. Deterministic; time, journal and log belong to the host that drives it.
/// </summary>
/// <remarks>
/// <code>
///   command -> Handle -+-> nothing pending: wait for the next command
///                      +-> CanDelayCommit: handle more for up to GroupCommitDelay, then
///                      +-> Take -> append the events at their position (durable) -> run the effects in order
/// </code>
/// A batch may be under way while more commands are handled; batches are appended in the order in which they were taken. A host whose append fails
/// throws this value away and recovers: fold the journal, make a new one, <see cref="Resume"/>.
/// </remarks>
/// <param name="Pipeline">The stages after all that was handled, durable or not.</param>
/// <param name="AskedMax">So often one piece of work is asked for between two records; then the run stops and says what it waits for. At least 1.</param>
/// <param name="CommandsPerAppendMax">After so many commands a batch is full. At least 1.</param>
public sealed record Decider(Pipeline Pipeline, int AskedMax, int CommandsPerAppendMax = Decider.UsualCommandsPerAppendMax)
{
    public const int UsualCommandsPerAppendMax = 256;

    private const int WaitsNamedMax = 5;

    private int commands; // handled since the first that is pending

    /// <summary>
    /// Group-commit delay: records that unblock no stage may wait this long, counted from the first of them, to share a flush. Small beside a step, long
    /// beside a flush.
    /// </summary>
    public static TimeSpan GroupCommitDelay { get; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Decided and not yet taken.</summary>
    public ImmutableArray<FoldedEvent> Events { get; init; } = [];

    /// <summary>Decided and not yet taken.</summary>
    public ImmutableArray<Effect> Effects { get; init; } = [];

    /// <summary>Deadlines that passed without an answer, not yet taken.</summary>
    public ImmutableArray<MissedDeadline> Missed { get; init; } = [];

    /// <summary>How often each wait was asked for again since the last record.</summary>
    public ImmutableDictionary<(Waits For, string Subject), int> Unanswered { get; init; } = ImmutableDictionary<(Waits For, string Subject), int>.Empty;

    /// <summary>Ledger values, by step, that steps still to be computed must meet: of checkpoints newer than the journal.</summary>
    public ImmutableSortedDictionary<long, Digest> Expected { get; init; } = ImmutableSortedDictionary<long, Digest>.Empty;

    /// <summary>The run is to stop with its state intact.</summary>
    public bool IsStopped { get; private init; }

    public RunState Run => Pipeline.Run;

    /// <summary>The run has ended or is to stop: commands change nothing any more. What is pending is still to be taken.</summary>
    public bool IsOver => IsStopped || Run.Ended is not null;

    public bool HasPending => Events.Length > 0 || Effects.Length > 0 || Missed.Length > 0;

    public bool IsFull => commands >= CommandsPerAppendMax;

    /// <summary>The group-commit rule: no stage, worker or caller waits for what is pending.</summary>
    public bool CanDelayCommit => Events.Length > 0 && Effects.IsEmpty && !IsFull && !IsOver;

    /// <summary>Asks every stage what follows from the present state: at a run's first start and after recovery.</summary>
    public Decider Resume() => IsOver ? this : After(Pipeline.Resume());

    /// <summary>Lets the stages decide on a command.</summary>
    public Decider Handle(Command command)
    {
        if (IsOver)
        {
            return this;
        }

        PipelineStep step = Pipeline.Handle(command);
        return command is Command.DeadlinePassed late && HasConsequence(step) ? Miss(late.Deadline, step) : After(step);
    }

    /// <summary>
    /// Hands out what is pending. Steps that are computed again because the journal lost its tail are compared first: if one differs from the checkpoint
    /// that outlived its record, nothing of the batch may become durable, and all that it holds is the order to stop.
    /// </summary>
    /// <param name="batch">To be appended, then carried out.</param>
    public Decider Take(out DecidedBatch batch)
    {
        ImmutableSortedDictionary<long, Digest> expected = Expected;
        Decider taken = this with { Events = [], Effects = [], Missed = [], commands = 0 };
        foreach (FoldedEvent e in Events.Where(e => e.After.Version > e.Before.Version))
        {
            long version = e.After.Version.Steps;
            if (expected.TryGetValue(version, out Digest chain) && chain != e.After.Chain)
            {
                string reason = $"Step {e.Before.Version.Steps + 1}, computed again after the journal lost its tail, "
                    + $"differs from what the checkpoint of step {version} recorded{WayOut(e)}";
                batch = new DecidedBatch(Events[0].Before.Position, [], [new Effect.StopRun(reason)], Missed);
                return taken with { IsStopped = true };
            }

            expected = expected.Remove(version);
        }

        batch = new DecidedBatch(Events.IsEmpty ? Run.Position : Events[0].Before.Position, Events, Effects, Missed);
        return taken with { Expected = expected };
    }

    /// <summary>A reward that runs out of time in one of two courses and not in the other parts them for good.</summary>
    private static string WayOut(FoldedEvent e) => e.After.Counts.OutcomesByTiming == 0 ? "."
        : $": a reward ran out of time; start with --accept-lost-tail to go on from step {e.Before.Version.Steps} without the steps that were lost.";

    /// <summary>
    /// Compares the run with checkpoints that a node reports once the run is under way. What is computed again meets their values from now on.
    /// </summary>
    /// <param name="holder">The node; null: this one.</param>
    /// <param name="lost">What follows for the host; nothing where it was known.</param>
    public Decider Compare(IEnumerable<LedgerValue> checkpoints, bool acceptLostTail, string? holder, out LostTail lost)
    {
        lost = LostTail.Of(Run, checkpoints.Where(checkpoint => !Expected.ContainsKey(checkpoint.Step)), acceptLostTail, holder);
        return lost is LostTail.ComputeAgain again ? this with { Expected = Expected.AddRange(again.Expected) } : this;
    }

    /// <summary>Something is asked again, or leases are taken back and wait for whichever generator asks next.</summary>
    private bool HasConsequence(PipelineStep step) => step.Effects.Length > 0 || step.Next.Generation.Leases.Count < Pipeline.Generation.Leases.Count;

    private Decider Miss(DeadlineId deadline, PipelineStep step)
    {
        Decider next = After(step);
        int asked = step.Events.Length > 0 ? 0 : Unanswered.GetValueOrDefault((deadline.For, deadline.Subject)) + 1;
        if (asked >= AskedMax)
        {
            return next with { Effects = next.Effects.Add(new Effect.StopRun(NothingCame(deadline, asked))), IsStopped = true };
        }

        ImmutableArray<GroupId> held = deadline.For == Waits.Ticket
            ? [.. Pipeline.Generation.Leases.Where(lease => lease.Value.Name == deadline.Subject).Select(lease => lease.Key)]
            : [];
        return next with
        {
            Missed = next.Missed.Add(new MissedDeadline(deadline, held)),
            Unanswered = asked == 0 ? next.Unanswered : next.Unanswered.SetItem((deadline.For, deadline.Subject), asked),
        };
    }

    private string NothingCame(DeadlineId deadline, int asked)
    {
        ImmutableArray<OpenWait> waits = OpenWait.Of(Pipeline);
        string more = waits.Length > WaitsNamedMax ? $"; and {waits.Length - WaitsNamedMax} more" : "";
        return $"Asked {asked} times for {deadline.For} {deadline.Subject} and nothing came of anything: {string.Join("; ", waits.Take(WaitsNamedMax))}{more}. "
            + "The state is intact; the same command goes on from there.";
    }

    private Decider After(PipelineStep step)
    {
        Decider next = this with
        {
            Pipeline = step.Next,
            Events = Events.AddRange(step.Events),
            Effects = Effects.AddRange(step.Effects),
            Unanswered = step.Events.Length > 0 ? Unanswered.Clear() : Unanswered,
            IsStopped = step.Effects.Any(effect => effect is Effect.StopRun),
        };
        return next with { commands = next.HasPending ? commands + 1 : 0 };
    }
}

/// <summary>What is appended in one transaction and then carried out.</summary>
/// <param name="Position">The stream position of the first event.</param>
/// <param name="Events">Empty: there is nothing to append, and the effects run at once.</param>
/// <param name="Effects">To be run, in order, once the events are durable.</param>
/// <param name="Missed">To be logged.</param>
public sealed record DecidedBatch(long Position, ImmutableArray<FoldedEvent> Events, ImmutableArray<Effect> Effects, ImmutableArray<MissedDeadline> Missed);

/// <summary>A deadline that passed without an answer, and had a consequence.</summary>
/// <param name="Held">The groups that a silent generator holds; other waits have their ids in their names.</param>
public sealed record MissedDeadline(DeadlineId Deadline, ImmutableArray<GroupId> Held)
{
    public override string ToString()
    {
        string holds = Held.IsEmpty ? "" : $", which holds {string.Join(", ", Held)}";
        return $"No word within its deadline of {Deadline}{holds}; asked again";
    }
}
