using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Audit;

/// <summary>The audit's own fold of the stream. It goes on after a finding, from what the journal says.</summary>
/// <param name="numbers">Of the same stream.</param>
/// <param name="first">Position of the first record kept; above 0 it is a compaction record.</param>
internal sealed class AuditFold(RunIdentity plan, Digest identity, StepNumbers numbers, long first)
{
    private readonly SortedDictionary<GroupId, AuditGroup> unsettled = [];
    private readonly Dictionary<GroupId, string> settled = []; // how: "trained by step 3"
    private readonly Dictionary<long, Digest> policies = [];
    private readonly Dictionary<(GroupStream Stream, long Epoch), HashSet<long>> rows = [];
    private readonly long[] nextOrdinal = new long[2];

    private int phase = -1;
    private long phaseStart, windowStep, windowOrdinal; // canonical order: step windowStep owns ordinal windowOrdinal
    private long committed;
    private long examples;
    private Digest? lastChain;
    private Digest? chain; // null: behind a gap, where nobody can know what it was
    private AdaptiveState? coefficients; // null: nothing to continue from
    private double[]? factors = []; // of the weights, by reward; empty: 1 each; null: behind a gap, where nobody can know what they were
    private (long Version, Evaluation Evaluation)? evaluated;
    private RunEvent.CheckpointWritten? checkpoint;
    private RunEvent.RunEnded? ended;
    private long position;

    private long groupsIssued, groupsTrained, groupsDropped, tokensSampled, tokensTrained, tokensDropped, late, faulted;

    public List<AuditFinding> Findings { get; } = [];

    public List<string> Unseen { get; } = [];

    private PhasePlan? Phase => phase >= 0 && phase < plan.Phases.Length ? plan.Phases[phase] : null;

    private long PhaseEnd => phaseStart + (Phase?.Steps ?? 0);

    private bool IsCanonical => plan.Order.Kind == OrderKind.Canonical;

    /// <summary>The newest version that can have been published, missing steps included.</summary>
    private long NewestVersion => Math.Max(committed, numbers.Ahead ?? committed);

    public void Apply(long at, RunEvent e)
    {
        position = at;
        if (ended is not null)
        {
            Find("other-plan", $"record {at}", $"{e.GetType().Name} follows the end of the run.");
            return;
        }

        switch (e)
        {
            case RunEvent.RunStarted x:
                Apply(x);
                break;
            case RunEvent.PhaseStarted x:
                Apply(x);
                break;
            case RunEvent.GroupOpened x:
                Apply(x);
                break;
            case RunEvent.CompletionsScored x:
                Apply(x);
                break;
            case RunEvent.GroupClosed x:
                Apply(x);
                break;
            case RunEvent.StepCommitted x:
                Apply(x);
                break;
            case RunEvent.Evaluated x:
                Apply(x);
                break;
            case RunEvent.CheckpointWritten x:
                checkpoint = x;
                break;
            case RunEvent.RolledBack x:
                Apply(x);
                break;
            case RunEvent.Rebased x:
                policies[x.Step + 1] = x.Policy;
                Unseen.Add($"Step {x.Step + 1} was replayed with other bits (record {at}): the run is not exact, and digests before it describe weights that no longer exist.");
                break;
            case RunEvent.CheckpointsRetired x:
                Expect(checkpoint is null || !x.Steps.Contains(checkpoint.Step), "checkpoint", $"record {at}", "The newest checkpoint is retired.");
                break;
            case RunEvent.Compacted x when position == first:
                Begin(x.Folded);
                break;
            case RunEvent.Compacted x:
                Compare(x.Folded);
                break;
            case RunEvent.TrainingStopped x:
                Expect(x.Step == committed, "step-missing", $"step {x.Step + 1}", $"A sentinel stopped training at step {x.Step + 1}, and {committed} steps are committed.");
                break;
            case RunEvent.RunEnded x:
                Apply(x);
                break;
        }
    }

    public AuditReport Report(long records)
    {
        long groupsOpen = unsettled.Values.Count(group => !group.IsDropped);
        long tokensOpen = unsettled.Values.Where(group => !group.IsDropped).Sum(group => group.Tokens);
        if (Findings.Count == 0 && (groupsIssued != groupsTrained + groupsDropped + groupsOpen || tokensSampled != tokensTrained + tokensDropped + tokensOpen))
        {
            Find("sums", "run", $"Issued {groupsIssued} groups and sampled {tokensSampled} tokens, but trained {groupsTrained} and {tokensTrained}, dropped {groupsDropped} and {tokensDropped}, and {groupsOpen} and {tokensOpen} are open.");
        }

        var counts = new AuditCounts(
            records, committed, groupsIssued, groupsTrained, groupsDropped, groupsOpen, tokensSampled, tokensTrained, tokensDropped, tokensOpen, late, faulted);
        return new AuditReport(
            counts, checkpoint?.WeightsSha256, checkpoint?.OptimizerSha256, checkpoint?.Step, lastChain ?? identity, ended is not null, [.. Findings], [.. Unseen]);
    }

    /// <summary>What was compacted away cannot be looked at again: its sums, cursors and unsettled groups are taken from the record.</summary>
    private void Begin(RunState folded)
    {
        if (folded.Phase < 0 || folded.Phase >= plan.Phases.Length)
        {
            Find("other-plan", $"record {position}", $"The compaction record is of phase {folded.Phase}, and the plan has {plan.Phases.Length} phases.");
            return;
        }

        (phase, phaseStart, windowStep, windowOrdinal) = (folded.Phase, folded.PhaseStart, folded.WindowStep, folded.WindowOrdinal);
        (committed, examples, chain, lastChain, coefficients) = (folded.Version.Steps, folded.Examples, folded.Chain, folded.Chain, folded.Adaptive);
        (nextOrdinal[0], nextOrdinal[1]) = (folded.PrimaryNext, folded.RefillNext);
        factors = [.. folded.Balance];
        evaluated = folded.EvaluationOfVersion is { } held ? (committed, held) : null;
        foreach (var (version, policy) in folded.Policies)
        {
            policies[version] = policy;
        }

        foreach (GroupState group in folded.Groups.Values)
        {
            unsettled.Add(group.Id, new AuditGroup(new RunEvent.GroupOpened(group.Id, group.Row, group.Version, group.Step, group.Round), position)
            {
                Completions = group.Completions,
                Verdict = group.IsClosed ? group.Reason : null,
            });
        }

        if (folded.Checkpoints.MaxBy(recorded => recorded.Step) is { } newest)
        {
            checkpoint = new(newest.Step, newest.Folder, newest.Manifest, newest.WeightsSha256, newest.OptimizerSha256, position);
        }

        RunCounts counts = folded.Counts;
        (groupsIssued, groupsTrained, groupsDropped) = (counts.GroupsIssued, counts.GroupsTrained, counts.GroupsDropped);
        (tokensSampled, tokensTrained, tokensDropped) = (counts.TokensSampled, counts.TokensTrained, counts.TokensDropped);
        (late, faulted) = (counts.OutcomesByTiming, counts.OutcomesFaulted);
        Unseen.Add(
            $"Records 0 to {first - 1}, with the steps before {committed}, were compacted away: their sums, the ledger's value and {unsettled.Count} unsettled groups are taken from the compaction record, "
            + "and whether a row of the present epoch was asked before it is not known.");
    }

    private void Compare(RunState folded)
    {
        var counts = new RunCounts(groupsIssued, groupsTrained, groupsDropped, tokensSampled, tokensTrained, tokensDropped, late, faulted);
        bool isSame = folded.Position == position && folded.Version.Steps == committed && folded.Chain == lastChain && folded.Phase == phase
            && folded.PrimaryNext == nextOrdinal[0] && folded.RefillNext == nextOrdinal[1] && folded.Counts == counts
            && folded.Groups.Keys.SequenceEqual(unsettled.Keys) && (factors is null || folded.Balance.SequenceEqual(factors));
        Expect(isSame || Findings.Count > 0, "compaction", $"record {position}", $"The compaction record says {folded.Version}, {folded.Counts}; the records before it give v{committed}, {counts}.");
    }

    private void Apply(RunEvent.RunStarted e)
    {
        Expect(chain is null && position == 0, "other-plan", "run", "RunStarted is not the first record, or stands twice.");
        Expect(e.Identity == identity, "other-plan", "run", $"The journal is of the plan {e.Identity}, and this plan is {identity}.");
        Expect(e.Policy == plan.StartingWeights, "other-plan", "run", $"The run started from the weights {e.Policy}, and the plan names {plan.StartingWeights}.");
        chain = e.Identity;
        policies[0] = e.Policy;
    }

    private void Apply(RunEvent.PhaseStarted e)
    {
        if (e.Phase != phase + 1 || e.Phase >= plan.Phases.Length || e.Name != plan.Phases[e.Phase].Name)
        {
            Find("other-plan", $"phase {e.Phase}", $"Phase {e.Phase} ('{e.Name}') begins after phase {phase}; the plan has '{string.Join("', '", plan.Phases.Select(planned => planned.Name))}'.");
        }

        if (e.Version.Steps > committed)
        {
            SkipMissing(committed, e.Version.Steps);
        }

        Expect(
            e.Version.Steps == (phase < 0 ? 0 : PhaseEnd), "step-missing", $"step {e.Version.Steps + 1}",
            $"Phase {e.Phase} begins at {e.Version}, and the one before it ends with step {PhaseEnd}.");
        if (policies.TryGetValue(e.Version.Steps, out Digest policy))
        {
            Expect(e.Policy == policy, "policy", e.Version.ToString(), $"Phase {e.Phase} begins with the policy {e.Policy}, and {e.Version} is {policy}.");
        }

        ExpectEvaluation(e.Version.Steps);
        LeftOver($"phase {e.Phase} began");
        phase = e.Phase;
        phaseStart = windowStep = e.Version.Steps;
        windowOrdinal = 0;
        nextOrdinal.AsSpan().Clear();
        rows.Clear();
        examples = 0;
        coefficients = null;
    }

    private void Apply(RunEvent.GroupOpened e)
    {
        groupsIssued++;
        var group = new AuditGroup(e, position);
        if (settled.TryGetValue(e.Group, out string? how) || unsettled.ContainsKey(e.Group))
        {
            Find("ordinal-gap", $"{e.Group}", $"Group {e.Group} is opened a second time{(how is null ? "" : $"; it was {how}")}.");
            return;
        }

        unsettled.Add(e.Group, group);
        if (Phase is not { Group: { } rules } here || e.Group.Phase != phase)
        {
            Doubt(group, "ordinal-gap", $"Group {e.Group} is opened in phase {phase}.");
            return;
        }

        int stream = (int)e.Group.Stream;
        Expect(
            e.Group.Ordinal == nextOrdinal[stream], "ordinal-gap", $"{e.Group}",
            $"Group {e.Group} is opened, and the next ordinal of its stream is {nextOrdinal[stream]}.");
        nextOrdinal[stream] = e.Group.Ordinal + 1;
        AddRow(e, here.Data.Rows);
        (long step, long version) = Rule(e, rules);
        if (e.Version.Steps != version || e.Step != step)
        {
            Doubt(group, "version-forbidden", $"Group {e.Group} is opened for {e.Version} and step {e.Step + 1}; the plan's rule gives v{version} and step {step + 1}.");
        }
        else if (e.Version.Steps > NewestVersion)
        {
            Doubt(group, "version-forbidden", $"Group {e.Group} is opened for {e.Version}, and only {committed} steps are committed.");
        }
        else if (e.Step >= PhaseEnd || e.Step - e.Version.Steps > plan.Order.Lag)
        {
            Doubt(group, "version-forbidden", $"Group {e.Group} is opened for step {e.Step + 1} with {e.Version}: beyond the phase, which ends with step {PhaseEnd}, or the lag of {plan.Order.Lag}.");
        }
    }

    /// <summary>Which step owns a group and which version samples it.</summary>
    private (long Step, long Version) Rule(RunEvent.GroupOpened e, GroupPlan rules)
    {
        if (IsCanonical && e.Group.Stream == GroupStream.Primary)
        {
            long owner = windowStep + (e.Group.Ordinal - windowOrdinal) / rules.GroupsPerStep;
            return (owner, Math.Max(windowStep, owner - plan.Order.Lag));
        }

        // A refill, and any group in arrival order: the newest version, for the step that is being gathered.
        long now = Math.Clamp(e.Version.Steps, committed, NewestVersion);
        return (now, now);
    }

    private void AddRow(RunEvent.GroupOpened e, long rowsOfPhase)
    {
        (GroupStream Stream, long Epoch) epoch = (e.Group.Stream, e.Group.Ordinal / rowsOfPhase);
        if (!rows.TryGetValue(epoch, out HashSet<long>? asked))
        {
            rows[epoch] = asked = [];
            rows.Remove((epoch.Stream, epoch.Epoch - 1));
        }

        Expect(
            e.Row >= 0 && e.Row < rowsOfPhase && asked.Add(e.Row), "row-repeated", $"{e.Group}",
            $"Group {e.Group} asks row {e.Row}, which its epoch has asked already or which is not among the {rowsOfPhase} rows.");
    }

    private void Apply(RunEvent.CompletionsScored e)
    {
        tokensSampled += e.Completions.Sum(scored => (long)scored.Completion.Tokens.Length);
        late += e.Completions.Sum(scored => scored.Outcomes.Count(outcome => outcome is ScoreOutcome.TimedOut));
        faulted += e.Completions.Sum(scored => scored.Outcomes.Count(outcome => outcome is ScoreOutcome.Faulted));
        if (!unsettled.TryGetValue(e.Group, out AuditGroup? group) || !group.Completions.IsEmpty)
        {
            Find("group-unaccounted", $"{e.Group}", $"Completions of group {e.Group} arrive, which is {(group is null ? "not open" : "scored already")}.");
            return;
        }

        group.Completions = e.Completions;
        if (e.Version.Steps != group.Version)
        {
            Doubt(group, "version-forbidden", $"Group {e.Group} was sampled by {e.Version}, and it was opened for v{group.Version}.");
        }
        else if (policies.TryGetValue(e.Version.Steps, out Digest policy) && policy != e.Weights)
        {
            Doubt(group, "weights-differ", $"Group {e.Group} was sampled with the weights {e.Weights}, and {e.Version} is {policy}.");
        }

        if (Phase?.Group is { } rules)
        {
            ExpectWhole(group, rules);
        }
    }

    private void ExpectWhole(AuditGroup group, GroupPlan rules)
    {
        int[] missing = [.. Enumerable.Range(0, rules.NumGenerations).Except(group.Completions.Select(scored => scored.Completion.Index))];
        if (missing.Length > 0 || group.Completions.Length != rules.NumGenerations)
        {
            Doubt(
                group, "group-short",
                $"Group {group.Id} has {group.Completions.Length} completions where the plan asks for {rules.NumGenerations}{(missing.Length > 0 ? $": {string.Join(", ", missing)} missing" : "")}.");
        }

        foreach (ScoredCompletion scored in group.Completions)
        {
            Completion completion = scored.Completion;
            var id = new CompletionId(group.Id, completion.Index);
            int length = completion.Tokens.Length;
            ImmutableArray<int> ends = rules.Sampling.EosTokens;
            bool fits = length >= 1 && length <= rules.MaxCompletionLength && completion.LogProbs.Length == length && completion.Finish switch
            {
                FinishReason.Length => length == rules.MaxCompletionLength,
                FinishReason.Eos => ends.IsEmpty || ends.Contains(completion.Tokens[^1]),
                _ => true,
            };
            if (!fits)
            {
                Doubt(
                    group, "completion-cut",
                    $"Completion {id} has {length} tokens{(length > 0 ? $", the last is {completion.Tokens[^1]}" : "")}, and says that it ended by {completion.Finish} (at most {rules.MaxCompletionLength}): a token was removed or added.",
                    $"{id}");
            }

            if (scored.Outcomes.Length != plan.Rewards.Length)
            {
                Doubt(group, "group-short", $"Completion {id} has {scored.Outcomes.Length} outcomes for the {plan.Rewards.Length} rewards of the plan.", $"{id}");
            }
        }
    }

    private void Apply(RunEvent.GroupClosed e)
    {
        if (!unsettled.TryGetValue(e.Group, out AuditGroup? group) || group.Verdict is not null || group.Completions.IsEmpty)
        {
            Find("group-unaccounted", $"{e.Group}", $"Group {e.Group} is closed, which is {(group is null ? "not open" : group.Verdict is null ? "not scored" : "closed already")}.");
            return;
        }

        group.Verdict = e.Reason;
        if (group.IsDropped)
        {
            groupsDropped++;
            tokensDropped += group.Tokens;
        }
    }

    private void Apply(RunEvent.StepCommitted e)
    {
        StepInputs inputs = e.Inputs;
        if (!Follows(e.Inputs.Step, e.Chain))
        {
            return;
        }

        AuditGroup[] settledNow = IsCanonical
            ? [.. unsettled.Values.Where(group => group.Step == inputs.Step)]
            : [.. unsettled.Values.Where(group => group.IsDropped || inputs.Groups.Contains(group.Id) || inputs.PassedOver.Contains(group.Id))];
        Evaluation? evaluation = evaluated is { } held && held.Version == inputs.Step ? held.Evaluation : null;
        ExpectChain(e.Chain, AuditBytes.Step(inputs, e.Outputs, settledNow, evaluation), inputs.Step);
        ExpectEvaluation(inputs.Step);
        ExpectContinues(inputs);
        bool isDoubtful = TrainGroups(inputs, settledNow);
        foreach (GroupId id in inputs.PassedOver)
        {
            PassOver(inputs.Step, id);
        }

        foreach (AuditGroup group in settledNow)
        {
            isDoubtful |= Settle(group, inputs);
        }

        if (!isDoubtful && factors is not null)
        {
            ExpectBatch(e, settledNow);
        }

        Balance(inputs, settledNow);
        examples = inputs.FirstExample + inputs.Examples;
        coefficients = e.Outputs.Next;
        ExpectPolicy(e);
        Advance(inputs.Step, e.Outputs.Policy);
    }

    /// <summary>factor (1 + rate clamp(target - mean, -1, 1)), cut to the plan's bounds; the mean is that of all scores of the objective's rewards.</summary>
    private void Balance(StepInputs inputs, AuditGroup[] settledNow)
    {
        if (plan.Balancer is not { } rule || inputs.Kind != PhaseKind.Grpo || factors is not { } before)
        {
            return;
        }

        factors = new double[plan.Rewards.Length];
        for (int k = 0; k < factors.Length; k++)
        {
            string objective = plan.Rewards[k].ObjectiveName;
            double factor = before.Length == 0 ? 1 : before[k];
            double[] scores =
            [
                .. settledNow.SelectMany(group => group.Completions).SelectMany(scored => scored.Outcomes.Where((_, other) => plan.Rewards[other].ObjectiveName == objective))
                    .OfType<ScoreOutcome.Scored>().Select(given => (double)given.Reward),
            ];
            factors[k] = scores.Length > 0 && rule.Targets.TryGetValue(objective, out double target)
                ? Math.Clamp(factor * (1 + rule.Rate * Math.Clamp(target - scores.Aggregate(0.0, (sum, score) => sum + score) / scores.Length, -1, 1)), rule.Min, rule.Max)
                : factor;
        }
    }

    /// <summary>False for a step that stands again; a step behind missing ones is gone on with.</summary>
    private bool Follows(long step, Digest recorded)
    {
        if (numbers.Take().IsAgain)
        {
            Find("step-twice", $"step {step + 1}", $"Step {step + 1} is committed again.");
            chain = lastChain = recorded;
            return false;
        }

        if (step > committed)
        {
            SkipMissing(committed, step);
        }

        return true;
    }

    /// <summary>Goes on at step <paramref name="next"/>, with nothing known of what the missing ones left behind.</summary>
    private void SkipMissing(long first, long next)
    {
        for (long step = first; step < next; step++)
        {
            Find("step-missing", $"step {step + 1}", $"Step {step + 1} is missing: the next one in the journal is {next + 1}.");
            foreach (AuditGroup lost in unsettled.Values.Where(group => IsCanonical && group.Step == step).ToArray())
            {
                unsettled.Remove(lost.Id);
                settled[lost.Id] = $"a group of the missing step {step + 1}";
            }
        }

        chain = null;
        coefficients = null;
        factors = plan.Balancer is null ? [] : null;
        examples = -1;
        policies.Remove(next);
        committed = next;
    }

    private void ExpectChain(Digest recorded, byte[] record, long step)
    {
        if (chain is { } before && before.Then(record) is var expected && expected != recorded)
        {
            Find("chain", $"step {step + 1}", $"The ledger's chain after step {step + 1} is recorded as {recorded}, and its records give {expected}.");
        }

        chain = lastChain = recorded;
    }

    private void ExpectContinues(StepInputs inputs)
    {
        string subject = $"step {inputs.Step + 1}";
        Expect(inputs.Phase == phase && inputs.Step >= phaseStart && inputs.Step < PhaseEnd, "other-plan", subject, $"Step {inputs.Step + 1} of phase {inputs.Phase} is committed in phase {phase}, which has the steps {phaseStart + 1} to {PhaseEnd}.");
        Expect(
            inputs.PrimaryCursor == nextOrdinal[0] && inputs.RefillCursor == nextOrdinal[1], "cursor", subject,
            $"Step {inputs.Step + 1} was decided at the cursors {inputs.PrimaryCursor} and {inputs.RefillCursor}; {nextOrdinal[0]} and {nextOrdinal[1]} groups were opened.");
        bool isSft = inputs.Kind == PhaseKind.Sft;
        Expect(
            (examples < 0 || inputs.FirstExample == examples) && inputs.Examples == (isSft ? Phase?.ExamplesPerStep ?? 0 : 0), "examples", subject,
            $"Step {inputs.Step + 1} trains {inputs.Examples} examples from {inputs.FirstExample}; the ones before it end at {examples}.");
        Expect(coefficients is null || coefficients == inputs.Adaptive, "coefficients", subject, $"Step {inputs.Step + 1} uses {inputs.Adaptive}, and the step before it left {coefficients}.");
        if (IsCanonical && Phase is { Group: { } rules })
        {
            long owned = windowOrdinal + (inputs.Step - windowStep + 1) * rules.GroupsPerStep;
            Expect(nextOrdinal[0] >= owned, "group-unaccounted", subject, $"Step {inputs.Step + 1} owns the primary groups up to {owned - 1}, and only {nextOrdinal[0]} were opened.");
        }
    }

    /// <returns>True if a finding was made.</returns>
    private bool TrainGroups(StepInputs inputs, AuditGroup[] settledNow)
    {
        int before = Findings.Count;
        foreach (GroupId id in inputs.Groups)
        {
            groupsTrained++;
            if (settled.TryGetValue(id, out string? how))
            {
                bool wasTrained = how.StartsWith("trained", StringComparison.Ordinal);
                Find(wasTrained ? "group-in-two-steps" : "dropped-group-trained", $"{id}", $"Step {inputs.Step + 1} trains group {id}, which was {how}.");
                continue;
            }

            if (!unsettled.TryGetValue(id, out AuditGroup? group))
            {
                Find("unknown-group-trained", $"{id}", $"Step {inputs.Step + 1} trains group {id}, which was never opened.");
                continue;
            }

            tokensTrained += group.Tokens;
            if (!group.IsKept)
            {
                Find("dropped-group-trained", $"{id}", $"Step {inputs.Step + 1} trains group {id}, which was {(group.Verdict is { } reason ? $"dropped ({reason})" : "never closed")}.");
                group.IsDoubtful = true;
            }
            else if (IsCanonical && group.Step != inputs.Step)
            {
                Find("wrong-step", $"{id}", $"Step {inputs.Step + 1} trains group {id}, which belongs to step {group.Step + 1}.");
            }
            else if (inputs.Step - group.Version > plan.Order.Lag && !group.IsDoubtful)
            {
                Find("version-forbidden", $"{id}", $"Step {inputs.Step + 1} trains group {id} of v{group.Version}: more than the lag of {plan.Order.Lag}.");
            }

            settled[id] = $"trained by step {inputs.Step + 1}";
        }

        if (Findings.Count == before && IsCanonical && !inputs.Groups.SequenceEqual(settledNow.Where(group => group.IsKept).Select(group => group.Id).Where(inputs.Groups.Contains)))
        {
            Find("wrong-step", $"step {inputs.Step + 1}", $"Step {inputs.Step + 1} trains its groups in another order than that of their ids, or one of them twice.");
        }

        return Findings.Count > before;
    }

    private void PassOver(long step, GroupId id)
    {
        if (!unsettled.TryGetValue(id, out AuditGroup? group) || !group.IsKept || settled.ContainsKey(id))
        {
            Find("group-unaccounted", $"{id}", $"Step {step + 1} passes over group {id}, which does not wait for a step.");
            return;
        }

        Expect(step - group.Version > plan.Order.Lag, "wrong-verdict", $"{id}", $"Step {step + 1} passes over group {id} of v{group.Version}, which is within the lag of {plan.Order.Lag}.");
        groupsDropped++;
        tokensDropped += group.Tokens;
        settled[id] = $"passed over by step {step + 1}";
    }

    /// <returns>True if the group is doubtful.</returns>
    private bool Settle(AuditGroup group, StepInputs inputs)
    {
        bool isTaken = settled.ContainsKey(group.Id);
        if (!isTaken && !group.IsDropped)
        {
            Doubt(group, "group-unaccounted", group.IsKept
                ? $"Group {group.Id} was kept for step {group.Step + 1}, and step {inputs.Step + 1} does not train it."
                : $"Group {group.Id}, opened by record {group.OpenedAt} for step {group.Step + 1}, was neither kept nor dropped when step {inputs.Step + 1} was committed.");
        }
        else if (!group.IsDoubtful && !group.Completions.IsEmpty && Phase?.Group is { } rules && group.Rule(plan, rules) is var rule && rule != group.Verdict)
        {
            Doubt(group, "wrong-verdict", $"Group {group.Id} was closed as {Told(group.Verdict)}, and the plan's rule says {Told(rule)}.");
        }

        if (!isTaken)
        {
            settled[group.Id] = group.IsDropped ? $"dropped ({group.Verdict})" : $"left out of step {inputs.Step + 1}";
        }

        unsettled.Remove(group.Id);
        return group.IsDoubtful;

        static string Told(DropReason? reason) => reason == DropReason.None ? "kept" : $"dropped ({reason})";
    }

    private void ExpectBatch(RunEvent.StepCommitted e, AuditGroup[] settledNow)
    {
        Dictionary<GroupId, AuditGroup> byId = settledNow.ToDictionary(group => group.Id);
        if (e.Inputs.Groups.Any(id => !byId.ContainsKey(id)))
        {
            return;
        }

        AuditGroup[] trained = [.. e.Inputs.Groups.Select(id => byId[id])];
        double[] advantages = [];
        if (trained.Length > 0)
        {
            var rule = Phase!.Groups.Objective.Advantages;
            if (!AuditAdvantages.Knows(rule))
            {
                string sentence = $"The advantages of phase '{Phase.Name}' ({rule.Estimator}) are not computed a second time by the audit, so its batch digests were not checked.";
                if (!Unseen.Contains(sentence))
                {
                    Unseen.Add(sentence);
                }

                return;
            }

            advantages = AuditAdvantages.Of(rule, [.. trained.Select(group => group.Rewards(plan, factors!))]);
        }

        Digest expected = Digest.Of(AuditBytes.Batch(e.Inputs, trained, advantages));
        Expect(
            expected == e.Outputs.Batch, "batch-mismatch", $"step {e.Inputs.Step + 1}",
            $"Step {e.Inputs.Step + 1} was trained on the batch {e.Outputs.Batch}, and the tokens, log-probs and rewards in the journal with the advantages that follow from them give {expected}; one of its groups was changed: {string.Join(", ", e.Inputs.Groups)}.");
    }

    /// <summary>Digest of version s + 1 = SHA-256(digest of version s, digest of the update); an empty step changes nothing.</summary>
    private void ExpectPolicy(RunEvent.StepCommitted e)
    {
        if (!policies.TryGetValue(e.Inputs.Step, out Digest before))
        {
            return;
        }

        Digest expected = e.Outputs.Empty ? before : before.Then(e.Outputs.Update);
        Expect(e.Outputs.Policy == expected, "policy", $"step {e.Inputs.Step + 1}", $"Step {e.Inputs.Step + 1} made the policy {e.Outputs.Policy}, and its update gives {expected}.");
    }

    private void Advance(long step, Digest policy)
    {
        committed = step + 1;
        policies[committed] = policy;
        long needed = Math.Min(committed - plan.Order.Lag, unsettled.Values.Select(group => group.Version).DefaultIfEmpty(committed).Min());
        foreach (long old in policies.Keys.Where(version => version < needed).ToArray())
        {
            policies.Remove(old);
        }
    }

    private void Apply(RunEvent.Evaluated e)
    {
        Expect(
            e.Version.Steps >= committed && e.Version.Steps <= NewestVersion && evaluated?.Version != e.Version.Steps, "evaluation", $"{e.Version}",
            $"An evaluation of {e.Version} is recorded when {committed} steps are committed, or a second time.");
        evaluated = (e.Version.Steps, e.Evaluation);
    }

    /// <summary>At a grpo phase's first and last version, and every so many steps inside it.</summary>
    private void ExpectEvaluation(long version)
    {
        if (plan.Evaluation is not { } rule || Phase is not { Kind: PhaseKind.Grpo } || version != committed)
        {
            return;
        }

        long inPhase = version - phaseStart;
        bool isDue = inPhase == 0 || version == PhaseEnd || (rule.EverySteps > 0 && inPhase % rule.EverySteps == 0);
        Expect(!isDue || evaluated?.Version == version, "evaluation", $"v{version}", $"The evaluation due at v{version} is not recorded before the run goes on.");
    }

    private void Apply(RunEvent.RolledBack e)
    {
        if (!Follows(e.Step, e.Chain))
        {
            return;
        }

        Evaluation? evaluation = evaluated is { } held && held.Version == e.Step ? held.Evaluation : null;
        ExpectChain(e.Chain, AuditBytes.Rollback(e.Step, e.To, e.Reason, e.LearningRateScale, e.Cursor, evaluation), e.Step);
        Expect(e.Cursor == nextOrdinal[0], "cursor", $"step {e.Step + 1}", $"The rollback at step {e.Step + 1} goes on from ordinal {e.Cursor}; the first never opened is {nextOrdinal[0]}.");
        DropOpen($"dropped by the rollback at step {e.Step + 1}");
        windowStep = e.Step + 1;
        windowOrdinal = e.Cursor;
        coefficients = e.Adaptive;
        Advance(e.Step, e.Policy);
    }

    private void Apply(RunEvent.RunEnded e)
    {
        if (numbers.Take().Step > committed)
        {
            SkipMissing(committed, e.Step);
        }

        Expect(e.Step == committed, "step-twice", $"step {e.Step}", $"The run ended at step {e.Step}, and {committed} steps are committed.");
        if (e.Reason == RunEnd.Completed)
        {
            Expect(phase == plan.Phases.Length - 1 && e.Step == PhaseEnd, "step-missing", $"step {committed}", $"The run ended as completed at step {e.Step} of phase {phase}.");
            ExpectEvaluation(e.Step);
            LeftOver("the run was completed");
        }

        DropOpen("dropped at the end of the run");
        ended = e;
    }

    private void LeftOver(string when)
    {
        foreach (AuditGroup group in unsettled.Values.Where(group => !group.IsDropped).ToArray())
        {
            Doubt(group, "group-unaccounted", $"Group {group.Id}, opened by record {group.OpenedAt}, was neither trained nor dropped when {when}.");
        }
    }

    private void DropOpen(string how)
    {
        foreach (AuditGroup group in unsettled.Values)
        {
            if (!group.IsDropped)
            {
                groupsDropped++;
                tokensDropped += group.Tokens;
            }

            settled[group.Id] = how;
        }

        unsettled.Clear();
    }

    private void Doubt(AuditGroup group, string kind, string sentence, string? subject = null)
    {
        if (!group.IsDoubtful)
        {
            Find(kind, subject ?? $"{group.Id}", sentence);
        }

        group.IsDoubtful = true;
    }

    private void Expect(bool holds, string kind, string subject, string otherwise)
    {
        if (!holds)
        {
            Find(kind, subject, otherwise);
        }
    }

    private void Find(string kind, string subject, string sentence) => Findings.Add(new AuditFinding(kind, subject, position, sentence));
}
