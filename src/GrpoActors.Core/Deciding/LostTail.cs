using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Core.Deciding;

/// <summary>The ledger's value at a step, as a checkpoint's manifest holds it.</summary>
/// <param name="Step">Committed steps.</param>
public readonly record struct LedgerValue(long Step, Digest Chain);

/// <summary>
/// What follows where checkpoints are newer than the journal: a database can lose a whole suffix of its records. In canonical order the lost steps are
/// computed again and must meet the checkpoints' values; in arrival order, or where a reward ran out of time, another course may follow, so the run goes on
/// without them only if it is told to.
/// </summary>
public abstract record LostTail
{
    private LostTail()
    {
    }

    /// <summary>No checkpoint is newer than the journal.</summary>
    public sealed record Nothing : LostTail
    {
        internal static Nothing Instance { get; } = new();
    }

    /// <summary>The run goes on from the journal's end, and steps that it computes again must meet these values.</summary>
    /// <param name="Expected">For <see cref="Decider.Expected"/>.</param>
    public sealed record ComputeAgain(ImmutableSortedDictionary<long, Digest> Expected, string Warning) : LostTail;

    /// <summary>The run goes on from the journal's end, on another course.</summary>
    /// <param name="Step">Checkpoints of later steps, damaged ones too, are to be deleted before the run goes on.</param>
    public sealed record GoOn(long Step, string Warning) : LostTail;

    /// <summary>The run stops with its state intact.</summary>
    public sealed record Refuse(string Reason) : LostTail;

    /// <param name="run">At the journal's end.</param>
    /// <param name="checkpoints">Intact ones; those not newer than the run are passed over.</param>
    /// <param name="accept">The user goes on without what is lost (<c>--accept-lost-tail</c>).</param>
    /// <param name="holder">The node that has the checkpoints; null: this one.</param>
    public static LostTail Of(RunState run, IEnumerable<LedgerValue> checkpoints, bool accept, string? holder = null)
    {
        long end = run.Version.Steps;
        var newer = ImmutableSortedDictionary.CreateBuilder<long, Digest>();
        foreach (LedgerValue checkpoint in checkpoints.Where(checkpoint => checkpoint.Step > end))
        {
            newer[checkpoint.Step] = checkpoint.Chain;
        }

        if (newer.Count == 0)
        {
            return Nothing.Instance;
        }

        long newest = newer.Keys.Max();
        string there = holder is null ? $"a checkpoint of step {newest} exists" : $"{holder} has a checkpoint of step {newest}";
        string lost = $"The journal ends at step {end}, but {there}: the journal has lost its tail.";
        bool isCanonical = run.Plan.Order.Kind == OrderKind.Canonical;
        return isCanonical && !(accept && run.Counts.OutcomesByTiming > 0)
            ? new ComputeAgain(newer.ToImmutable(), $"{lost} The lost steps are computed again")
            : accept ? new GoOn(end, $"{lost} The run goes on from there, and the checkpoints of what is lost are deleted")
            : new Refuse($"{lost} In arrival order the lost steps cannot be computed again; start with --accept-lost-tail to go on from step {end}.");
    }
}
