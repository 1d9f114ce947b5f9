using System.Collections.Immutable;
using GrpoActors.Audit;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Recorded;
using Xunit;

namespace GrpoActors.Runtime.Tests.Audit;

public sealed class JournalAuditTests
{
    private readonly RunIdentity plan = RecordedRun.Plan();
    private readonly List<RunEvent> events;

    public JournalAuditTests() => events = RecordedRun.Events(plan);

    public static TheoryData<OrderKind, int, int, bool, string> Runs => new()
    {
        { OrderKind.Canonical, 0, 0, false, "grpo" },
        { OrderKind.Canonical, 1, 0, false, "grpo" },
        { OrderKind.Canonical, 2, 2, true, "grpo" },
        { OrderKind.Canonical, 0, 3, true, "dr_grpo" },
        { OrderKind.Canonical, 0, 0, true, "grpo" },
        { OrderKind.Arrival, 0, 0, false, "grpo" },
        { OrderKind.Arrival, 2, 0, true, "grpo" },
    };

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_whole_run_has_no_findings_and_its_sums_hold(OrderKind order, int lag, int refillRounds, bool dropZeroSpread, string objective)
    {
        RunIdentity varied = RecordedRun.Plan(order, lag, refillRounds, dropZeroSpread, objective);
        for (int seed = 1; seed <= 5; seed++)
        {
            List<RunEvent> run = RecordedRun.Events(varied, seed);
            AuditReport report = JournalAudit.Run(DamagedStream.Stored(run), varied, RecordedRun.Identity);
            Assert.Empty(report.Findings);
            Assert.Empty(report.Unseen);
            RunState folded = run.Aggregate(RunState.Begin(varied), (state, e) => state.Apply(e));
            Assert.Equal(folded.Chain, report.LedgerSha256);
            Assert.Equal(folded.Version.Steps, report.Counts.Steps);
            Assert.Equal(
                folded.Counts,
                new RunCounts(
                    report.Counts.GroupsIssued, report.Counts.GroupsTrained, report.Counts.GroupsDropped, report.Counts.TokensSampled, report.Counts.TokensTrained,
                    report.Counts.TokensDropped, report.Counts.OutcomesByTiming, report.Counts.OutcomesFaulted));
            Assert.Equal((0, 0), (report.Counts.GroupsOpen, report.Counts.TokensOpen));
            Assert.Equal((Digest.Of("weights 6"), Digest.Of("optimizer 6"), 6L), (report.WeightsSha256, report.OptimizerSha256, report.HashedStep));
        }
    }

    [Fact]
    public void Every_beginning_of_a_run_is_whole_and_issued_is_trained_and_dropped_and_open()
    {
        RunIdentity varied = RecordedRun.Plan(lag: 1, refillRounds: 1, dropZeroSpread: true);
        List<RunEvent> run = RecordedRun.Events(varied);
        for (int length = 1; length <= run.Count; length++)
        {
            AuditReport report = JournalAudit.Run(DamagedStream.Stored(run.Take(length)), varied, RecordedRun.Identity);
            Assert.Empty(report.Findings);
            AuditCounts counts = report.Counts;
            Assert.Equal(counts.GroupsIssued, counts.GroupsTrained + counts.GroupsDropped + counts.GroupsOpen);
            Assert.Equal(counts.TokensSampled, counts.TokensTrained + counts.TokensDropped + counts.TokensOpen);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    public void A_missing_step_is_named(long step) =>
        Finds("step-missing", $"step {step + 1}", events.Change<RunEvent.StepCommitted>(x => x.Inputs.Step == step, _ => null));

    [Fact]
    public void A_step_that_stands_twice_is_named()
    {
        int at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 3 });
        Finds("step-twice", "step 4", [.. events.Take(at + 1), .. events.Skip(at)]);
    }

    [Fact]
    public void A_group_in_two_steps_is_named()
    {
        GroupId group = Step(3).Inputs.Groups[1];
        Finds("group-in-two-steps", $"{group}", ChangeStep(4, x => x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups.Insert(0, group) } }));
    }

    [Fact]
    public void A_dropped_group_that_is_trained_is_named()
    {
        GroupId group = Step(3).Inputs.Groups[1];
        Finds("dropped-group-trained", $"{group}", events.Change<RunEvent.GroupClosed>(x => x.Group == group, x => x with { Reason = DropReason.NoSpread }));
    }

    [Fact]
    public void A_dropped_group_that_is_listed_in_its_step_is_named()
    {
        RunIdentity dropping = RecordedRun.Plan(dropZeroSpread: true);
        List<RunEvent> run = RecordedRun.Events(dropping);
        GroupId dropped = run.OfType<RunEvent.GroupClosed>().First(x => x.Reason == DropReason.NoSpread).Group;
        long step = run.OfType<RunEvent.GroupOpened>().Single(x => x.Group == dropped).Step;
        Finds("dropped-group-trained", $"{dropped}", run.Change<RunEvent.StepCommitted>(
            x => x.Inputs.Step == step, x => x with { Inputs = x.Inputs with { Groups = [.. x.Inputs.Groups.Append(dropped).Order()] } }), dropping);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void A_kept_group_short_of_a_completion_is_named(int index)
    {
        GroupId group = Step(4).Inputs.Groups[2];
        AuditFinding finding = Finds("group-short", $"{group}", ChangeScored(group, completions => completions.RemoveAt(index)));
        Assert.Contains($": {index} missing", finding.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_completion_that_stands_twice_in_its_group_is_named()
    {
        GroupId group = Step(4).Inputs.Groups[2];
        Finds("group-short", $"{group}", ChangeScored(group, completions => completions.SetItem(1, completions[0])));
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(0, 1)]
    [InlineData(1, -1)]
    [InlineData(1, 1)]
    public void A_version_that_the_rule_forbids_is_named(int lag, int change)
    {
        RunIdentity lagging = RecordedRun.Plan(lag: lag);
        List<RunEvent> run = RecordedRun.Events(lagging);
        GroupId group = run.OfType<RunEvent.StepCommitted>().Single(x => x.Inputs.Step == 4).Inputs.Groups[0];
        List<RunEvent> damaged = run
            .Change<RunEvent.GroupOpened>(x => x.Group == group, x => x with { Version = new PolicyVersion(x.Version.Steps + change) })
            .Change<RunEvent.CompletionsScored>(x => x.Group == group, x => x with { Version = new PolicyVersion(x.Version.Steps + change) });
        Finds("version-forbidden", $"{group}", damaged, lagging);
    }

    [Fact]
    public void A_group_sampled_with_other_weights_than_its_versions_is_named()
    {
        GroupId group = Step(4).Inputs.Groups[0];
        Finds("weights-differ", $"{group}", events.Change<RunEvent.CompletionsScored>(x => x.Group == group, x => x with { Weights = Digest.Of("others") }));
    }

    [Fact]
    public void A_reward_from_which_the_advantage_no_longer_follows_is_found_in_its_step()
    {
        GroupId group = Step(3).Inputs.Groups[0];
        AuditFinding finding = Finds("batch-mismatch", "step 4", ChangeScored(group, completions => completions.Changed(2, scored => scored.WithReward(0, 7))));
        Assert.Contains($"{group}", finding.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_removed_from_within_is_found_in_its_step()
    {
        (GroupId group, int index) = Completion(step: 4, completion => completion is { Finish: FinishReason.Eos, Tokens.Length: > 2 });
        AuditFinding finding = Finds("batch-mismatch", "step 5", ChangeScored(group, completions => completions.Changed(index, scored => scored.WithoutToken(0))));
        Assert.Contains($"{group}", finding.Sentence, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FinishReason.Eos)]
    [InlineData(FinishReason.Length)]
    public void A_token_removed_from_the_end_names_its_completion(FinishReason finish)
    {
        (GroupId group, int index) = Completion(step: null, completion => completion.Finish == finish && completion.Tokens.Length > 1);
        Finds("completion-cut", $"{group}.{index}", ChangeScored(group, completions => completions.Changed(index, scored => scored.WithoutToken(scored.Completion.Tokens.Length - 1))));
    }

    [Fact]
    public void A_changed_log_prob_is_found_in_its_step()
    {
        GroupId group = Step(5).Inputs.Groups[0];
        Finds("batch-mismatch", "step 6", ChangeScored(group, completions => completions.Changed(
            0, scored => scored with { Completion = scored.Completion with { LogProbs = scored.Completion.LogProbs.SetItem(0, -0.123f) } })));
    }

    [Fact]
    public void A_group_opened_and_never_accounted_for_is_named()
    {
        GroupId group = Step(3).Inputs.Groups[1];
        List<RunEvent> damaged = events
            .Change<RunEvent.CompletionsScored>(x => x.Group == group, _ => null)
            .Change<RunEvent.GroupClosed>(x => x.Group == group, _ => null)
            .Change<RunEvent.StepCommitted>(x => x.Inputs.Step == 3, x => x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups.Remove(group) } });
        Finds("group-unaccounted", $"{group}", damaged);
    }

    [Fact]
    public void A_kept_group_that_its_step_leaves_out_is_named()
    {
        GroupId group = Step(3).Inputs.Groups[1];
        Finds("group-unaccounted", $"{group}", ChangeStep(3, x => x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups.Remove(group) } }));
    }

    [Fact]
    public void An_opened_group_that_a_finished_run_in_arrival_order_forgot_is_named()
    {
        RunIdentity arrival = RecordedRun.Plan(OrderKind.Arrival);
        List<RunEvent> run = RecordedRun.Events(arrival);
        int last = run.FindLastIndex(e => e is RunEvent.GroupOpened);
        var opened = (RunEvent.GroupOpened)run[last];
        var extra = new GroupId(1, GroupStream.Primary, opened.Group.Ordinal + 1);
        List<RunEvent> damaged = [.. run.Take(last + 1), opened with { Group = extra, Row = run.OfType<RunEvent.GroupOpened>().Max(x => x.Row) + 1 }, .. run.Skip(last + 1)];
        damaged = damaged.Change<RunEvent.StepCommitted>(
            x => damaged.IndexOf(x) > last, x => x with { Inputs = x.Inputs with { PrimaryCursor = x.Inputs.PrimaryCursor + 1 } });
        Finds("group-unaccounted", $"{extra}", damaged, RecordedRun.Plan(OrderKind.Arrival, rows: 40));
    }

    [Fact]
    public void A_record_under_an_older_fence_is_named()
    {
        long at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 3 });
        IJournalReader journal = DamagedStream.Stored(events, position => position == at ? 1 : position < 10 ? 1 : 2);
        AuditFinding finding = Assert.Single(JournalAudit.Run(journal, plan, RecordedRun.Identity).Findings);
        Assert.Equal(("older-fence", $"record {at}", at), (finding.Kind, finding.Subject, finding.Position));
    }

    [Fact]
    public void A_record_whose_checksum_is_wrong_ends_the_audit_there()
    {
        StoredRecord[] records = [.. DamagedStream.Stored(events).Stored()];
        records[40] = records[40] with { Crc = records[40].Crc ^ 1 };
        AuditReport report = JournalAudit.Run(new MemoryJournal([.. records]), plan, RecordedRun.Identity);
        Assert.Equal(("damaged-record", "record 40"), (Assert.Single(report.Findings).Kind, report.Findings[0].Subject));
        Assert.Equal(40, report.Counts.Records);
    }

    [Fact]
    public void A_chain_that_was_not_made_right_is_found_at_the_step_where_it_breaks()
    {
        List<RunEvent> damaged = ChangeStep(3, x => x with { Chain = Digest.Of("else") });
        AuditReport report = JournalAudit.Run(DamagedStream.Stored(damaged), plan, RecordedRun.Identity);
        Assert.Equal(["step 4", "step 5"], report.Findings.Select(finding => finding.Subject));
        Assert.All(report.Findings, finding => Assert.Equal("chain", finding.Kind));
    }

    [Fact]
    public void The_journal_of_another_plan_is_named() =>
        Assert.Contains(JournalAudit.Run(DamagedStream.Stored(events), plan, Digest.Of("other")).Findings, finding => finding.Kind == "other-plan");

    [Fact]
    public void A_missing_evaluation_is_named() =>
        Finds("evaluation", "v4", events.Change<RunEvent.Evaluated>(x => x.Version.Steps == 4, _ => null));

    [Fact]
    public void A_step_that_claims_another_update_than_it_made_is_named() =>
        Finds("policy", "step 6", ChangeStep(5, x => x with { Outputs = x.Outputs with { Update = Digest.Of("other") } }));

    [Fact]
    public void A_group_kept_against_the_rule_is_named()
    {
        RunIdentity dropping = RecordedRun.Plan(dropZeroSpread: true);
        List<RunEvent> run = RecordedRun.Events(dropping);
        GroupId kept = run.OfType<RunEvent.StepCommitted>().Single(x => x.Inputs.Step == 3).Inputs.Groups[0];
        List<RunEvent> damaged = run
            .Change<RunEvent.GroupClosed>(x => x.Group == kept, x => x with { Reason = DropReason.NoSpread })
            .Change<RunEvent.StepCommitted>(x => x.Inputs.Step == 3, x => x with { Inputs = x.Inputs with { Groups = x.Inputs.Groups.Remove(kept) } });
        Finds("wrong-verdict", $"{kept}", damaged, dropping);
    }

    private RunEvent.StepCommitted Step(long step) => events.OfType<RunEvent.StepCommitted>().Single(x => x.Inputs.Step == step);

    private List<RunEvent> ChangeStep(long step, Func<RunEvent.StepCommitted, RunEvent> change) => events.Change(x => x.Inputs.Step == step, change);

    private List<RunEvent> ChangeScored(GroupId group, Func<ImmutableArray<ScoredCompletion>, ImmutableArray<ScoredCompletion>> change) =>
        events.Change<RunEvent.CompletionsScored>(x => x.Group == group, x => x with { Completions = change(x.Completions) });

    private (GroupId Group, int Index) Completion(long? step, Func<Completion, bool> which)
    {
        RunEvent.CompletionsScored scored = events.OfType<RunEvent.CompletionsScored>()
            .First(x => (step is null || Step(step.Value).Inputs.Groups.Contains(x.Group)) && x.Completions.Any(one => which(one.Completion)));
        return (scored.Group, scored.Completions.First(one => which(one.Completion)).Completion.Index);
    }

    private AuditFinding Finds(string kind, string subject, List<RunEvent> damaged, RunIdentity? of = null)
    {
        RunIdentity planned = of ?? plan;
        Assert.NotEqual(events, damaged);
        AuditReport report = JournalAudit.Run(DamagedStream.Stored(DamagedStream.WithChainMadeRight(planned, damaged)), planned, RecordedRun.Identity);
        AuditFinding finding = Assert.Single(report.Findings);
        Assert.Equal((kind, subject), (finding.Kind, finding.Subject));
        return finding;
    }
}
