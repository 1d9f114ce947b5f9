using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>
/// Holds the durable stream to the protocol and to the truth, event by event. Keeps its own books; of the stages' code it uses only the digest of a batch
/// and, for that, the fold.
/// </summary>
/// <param name="forgets">For runs so long that its own books would grow too large: versions long past and groups long trained are let go.</param>
/// <param name="ranOutOfTime">Whether this reward of the group's first completion really did, in every attempt.</param>
internal sealed class Audit(RunIdentity plan, Digest startingWeights, bool forgets, Func<GroupId, int, bool> ranOutOfTime)
{
    private sealed record Book(long Version, long Step, long Row, int State, long Tokens);

    private const int Open = 0, Scored = 1, Kept = 2, Dropped = 3;
    private const int Remembered = 100;

    private readonly Dictionary<GroupId, Book> groups = [];
    private readonly HashSet<GroupId> trained = [];
    private readonly Dictionary<(int, GroupStream), long> nextOrdinal = [];
    private readonly Dictionary<long, (Digest Policy, Digest Weights)> versions = [];
    private readonly HashSet<long> checkpoints = []; // recorded and not retired
    private readonly Dictionary<long, long> compactions = []; // version by position
    private long issued, trainedCount, droppedCount, sampledTokens, trainedTokens, droppedTokens;
    private long windowStep, windowOrdinal, phaseStart;
    private int phase = -1;
    private bool evaluated;
    private RunState fold = RunState.Begin(plan);

    /// <summary>The fold of what is durable.</summary>
    public RunState Run => fold;

    public long Position { get; private set; }

    public long Version { get; private set; }

    public int Steps { get; private set; }

    public int Rollbacks { get; private set; }

    public RunEnd? Ended { get; private set; }

    /// <summary>Ledger values, by step, of checkpoints that outlived the records of their steps.</summary>
    public Dictionary<long, Digest> Outlived { get; } = [];

    public Digest WeightsOf(long version) => versions[version].Weights;

    public Digest PolicyOf(long version) => versions[version].Policy;

    public void Add(RunEvent e)
    {
        Require(Ended is null, $"{e.GetType().Name} follows the end of the run");
        RunState before = fold;
        fold = fold.Apply(e);
        Position++;
        switch (e)
        {
            case RunEvent.RunStarted x:
                Require(Position == 1, "RunStarted is not the first event");
                versions[0] = (x.Policy, startingWeights);
                break;
            case RunEvent.PhaseStarted x:
                DropOpen();
                phase = x.Phase;
                phaseStart = windowStep = Version;
                windowOrdinal = 0;
                break;
            case RunEvent.GroupOpened x:
                Opened(x);
                break;
            case RunEvent.CompletionsScored x:
                WasScored(x);
                break;
            case RunEvent.GroupClosed x:
                Closed(x);
                break;
            case RunEvent.StepCommitted x:
                Committed(before, x);
                break;
            case RunEvent.Evaluated x:
                Require(x.Version.Steps == Version && !evaluated, $"{x.Version} is evaluated twice, or late");
                Require(x.Evaluation == Truth.Evaluate(WeightsOf(Version)), $"the evaluation of {x.Version} is not that of its weights");
                evaluated = true;
                break;
            case RunEvent.RolledBack x:
                RolledBack(x);
                break;
            case RunEvent.CheckpointWritten x:
                checkpoints.Add(x.Step);
                break;
            case RunEvent.CheckpointsRetired x:
                checkpoints.ExceptWith(x.Steps);
                Require(checkpoints.Count(step => step <= Version) >= 2 && !x.Steps.Contains(phaseStart), $"steps {string.Join(", ", x.Steps)} are retired, and those of {string.Join(", ", checkpoints)} are left");
                break;
            case RunEvent.Compacted x:
                Compacted(x);
                break;
            case RunEvent.TrainingStopped x:
                Require(x.Step == Version, $"training is stopped at step {x.Step}, and {Version} are committed");
                break;
            case RunEvent.RunEnded x:
                DropOpen();
                Ended = x.Reason;
                break;
            default:
                break;
        }

        if (Version > before.Version.Steps)
        {
            Meet();
        }

        Balance();
    }

    /// <summary>In canonical order a step that is computed again is the one that was lost, unless the time that a reward took has entered it.</summary>
    private void Meet()
    {
        bool differs = Outlived.Remove(Version, out Digest chain) && chain != fold.Chain;
        Require(
            !differs || plan.Order.Kind == OrderKind.Arrival || fold.Counts.OutcomesByTiming > 0,
            $"step {Version} is durable, and differs from the checkpoint that outlived its record");
    }

    /// <summary>The fold that a decider works on is the fold of what is durable.</summary>
    public void Agree(RunState run)
    {
        Require(run.Position == Position, $"the decider has folded {run.Position} events, and {Position} are durable");
        Require(run.Version.Steps == Version, $"the decider is at {run.Version}, and {Version} steps are durable");
        RunCounts counts = run.Counts;
        Require(
            counts.GroupsIssued == issued && counts.GroupsTrained == trainedCount && counts.GroupsDropped == droppedCount && counts.TokensSampled == sampledTokens
            && counts.TokensTrained == trainedTokens && counts.TokensDropped == droppedTokens,
            $"the decider counts {counts}; the events give issued {issued}, trained {trainedCount}, dropped {droppedCount}, tokens {sampledTokens}, {trainedTokens}, {droppedTokens}");
    }

    private PhasePlan Phase => plan.Phases[phase];

    /// <summary>What it retires is not needed: at least two recorded checkpoints stand on what stays.</summary>
    private void Compacted(RunEvent.Compacted e)
    {
        Require(e.Folded.Position == Position - 1 && e.Folded.Version.Steps == Version, $"the compaction record at {Position - 1} holds the state of {e.Folded.Position}");
        if (e.Before > 0)
        {
            Require(compactions.TryGetValue(e.Before, out long version), $"records before {e.Before} are retired, where no compaction record stands");
            Require(checkpoints.Count(step => step >= version && step <= Version) >= 2, $"records before step {version} are retired, and there are the checkpoints of steps {string.Join(", ", checkpoints)}");
        }

        compactions[Position - 1] = Version;
    }

    private void Opened(RunEvent.GroupOpened e)
    {
        var stream = (e.Group.Phase, e.Group.Stream);
        long ordinal = nextOrdinal.GetValueOrDefault(stream);
        Require(e.Group.Phase == phase && e.Group.Ordinal == ordinal, $"group {e.Group} is opened where ordinal {ordinal} of phase {phase} is next");
        nextOrdinal[stream] = ordinal + 1;
        Require(e.Version.Steps <= Version, $"group {e.Group} is sampled by {e.Version}, which is not committed");
        Require(e.Row >= 0 && e.Row < Phase.Data.Rows, $"group {e.Group} asks row {e.Row}");
        if (plan.Order.Kind == OrderKind.Canonical)
        {
            long owner = e.Group.Stream == GroupStream.Primary ? windowStep + ((ordinal - windowOrdinal) / Phase.Groups.GroupsPerStep) : Version;
            long version = e.Group.Stream == GroupStream.Primary ? Math.Max(windowStep, owner - plan.Order.Lag) : Version;
            Require(e.Step == owner && e.Version.Steps == version, $"group {e.Group} belongs to step {owner} and v{version}, not to step {e.Step} and {e.Version}");
            Require(owner < phaseStart + Phase.Steps, $"group {e.Group} is opened for step {owner}, after the phase");
            int open = groups.Values.Count(group => group.State is Open or Scored or Kept);
            Require(open <= (plan.Order.Lag + 1) * Phase.Groups.GroupsPerStep, $"{open} groups are open");
        }

        groups[e.Group] = new Book(e.Version.Steps, e.Step, e.Row, Open, 0);
        issued++;
    }

    private void WasScored(RunEvent.CompletionsScored e)
    {
        Book book = Find(e.Group, Open);
        Require(e.Completions.Length == Phase.Groups.NumGenerations, $"group {e.Group} has {e.Completions.Length} completions");
        Require(e.Version.Steps == book.Version && e.Weights == PolicyOf(book.Version), $"group {e.Group} was not sampled by v{book.Version}");
        Digest weights = WeightsOf(book.Version);
        long tokens = 0;
        foreach (ScoredCompletion scored in e.Completions)
        {
            var honest = Truth.Sample(e.Group, book.Row, scored.Completion.Index, weights);
            Require(honest.Tokens.SequenceEqual(scored.Completion.Tokens) && honest.LogProbs.SequenceEqual(scored.Completion.LogProbs), $"completion {e.Group}.{honest.Index} is not what v{book.Version} samples");
            tokens += honest.Tokens.Length;
            Require(scored.Outcomes.Length == plan.Rewards.Length, $"completion {e.Group}.{honest.Index} has {scored.Outcomes.Length} outcomes");
            for (int reward = 0; reward < scored.Outcomes.Length; reward++)
            {
                ScoreOutcome outcome = scored.Outcomes[reward];
                Require(
                    (outcome is ScoreOutcome.TimedOut && honest.Index == 0 && ranOutOfTime(e.Group, reward)) || outcome == Truth.Score(reward, book.Row, honest),
                    $"reward {reward} said {Truth.Score(reward, book.Row, honest)} of completion {e.Group}.{honest.Index}, and {outcome} is recorded");
            }
        }

        sampledTokens += tokens;
        groups[e.Group] = book with { State = Scored, Tokens = tokens };
    }

    private void Closed(RunEvent.GroupClosed e)
    {
        Book book = Find(e.Group, Scored);
        groups[e.Group] = book with { State = e.Reason == DropReason.None ? Kept : Dropped };
        if (e.Reason != DropReason.None)
        {
            droppedCount++;
            droppedTokens += book.Tokens;
        }
    }

    private void Committed(RunState before, RunEvent.StepCommitted e)
    {
        Require(e.Inputs.Step == Version, $"step {e.Inputs.Step} is committed where {Version} is next");
        foreach (GroupId id in e.Inputs.Groups)
        {
            Book book = Find(id, Kept);
            Require(trained.Add(id), $"group {id} is trained twice");
            Require(Version - book.Version <= plan.Order.Lag && book.Version <= Version, $"group {id} of v{book.Version} is trained in step {Version}");
            trainedCount++;
            trainedTokens += book.Tokens;
            groups.Remove(id);
        }

        foreach (GroupId id in e.Inputs.PassedOver)
        {
            Book book = Find(id, Kept);
            Require(Version - book.Version > plan.Order.Lag, $"group {id} is passed over, and is not too old");
            Drop(id, book);
        }

        if (plan.Order.Kind == OrderKind.Canonical)
        {
            foreach ((GroupId id, Book book) in groups)
            {
                Require(book.Step != Version || book.State == Dropped, $"group {id} of step {Version} is neither trained nor dropped");
            }
        }

        Require(e.Outputs.Batch == BatchOf.Step(before, e.Inputs).Digest, $"step {Version} reports the digest of another batch");
        (Digest policy, Digest weights) = versions[Version];
        Require(e.Outputs.Policy == (e.Outputs.Empty ? policy : policy.Then(e.Outputs.Update)), $"step {Version} does not lead from its policy to the one it reports");
        Require(plan.Evaluation is null || evaluated || !IsEvaluated(Version), $"step {Version} is committed before v{Version} was evaluated");
        Advance(e.Outputs.Policy, e.Outputs.Empty ? weights : e.Outputs.Update);
    }

    private void RolledBack(RunEvent.RolledBack e)
    {
        Require(e.Step == Version && e.To <= Version, $"step {e.Step} rolls back to {e.To} at {Version}");
        Require(e.Policy == PolicyOf(e.To), $"step {e.Step} rolls back to another policy than that of v{e.To}");
        DropOpen();
        Rollbacks++;
        Advance(e.Policy, WeightsOf(e.To));
        windowStep = Version;
        windowOrdinal = e.Cursor;
    }

    private void Advance(Digest policy, Digest weights)
    {
        Version++;
        Steps++;
        evaluated = false;
        versions[Version] = (policy, weights);
        if (forgets)
        {
            versions.Remove(Version - Remembered);
            trained.Clear();
            foreach (GroupId id in groups.Where(group => group.Value.State == Dropped).Select(group => group.Key).ToArray())
            {
                groups.Remove(id); // its sums are kept
            }
        }
    }

    private bool IsEvaluated(long version) => Phase.Kind == PhaseKind.Grpo && (version - phaseStart) % Math.Max(1, plan.Evaluation!.EverySteps) == 0;

    private void DropOpen()
    {
        foreach ((GroupId id, Book book) in groups.Where(group => group.Value.State != Dropped).ToArray())
        {
            Drop(id, book);
        }

        groups.Clear();
    }

    private void Drop(GroupId id, Book book)
    {
        droppedCount++;
        droppedTokens += book.Tokens;
        groups.Remove(id);
    }

    private Book Find(GroupId id, int state)
    {
        Require(groups.TryGetValue(id, out Book? book) && book.State == state, $"group {id} is not in the state that this event needs");
        return book!;
    }

    private void Balance()
    {
        long open = 0, openTokens = 0;
        foreach (Book book in groups.Values)
        {
            open += book.State == Dropped ? 0 : 1;
            openTokens += book.State == Dropped ? 0 : book.Tokens;
        }

        Require(issued == trainedCount + droppedCount + open, $"issued {issued} is not trained {trainedCount} + dropped {droppedCount} + open {open}");
        Require(sampledTokens == trainedTokens + droppedTokens + openTokens, "tokens do not add up");
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new Violation(otherwise);
        }
    }
}
