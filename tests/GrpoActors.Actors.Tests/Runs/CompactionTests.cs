using GrpoActors.Audit;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Tests.Audit;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class CompactionTests : IDisposable
{
    private readonly TinyRun whole = new();
    private readonly TinyRun tiny = new();

    public CompactionTests()
    {
        foreach (TinyRun run in (TinyRun[])[whole, tiny])
        {
            run.Overrides.AddRange([("phases.grpo.steps", "9")]);
        }

        whole.Overrides.Add(("journal_steps", "0"));
        tiny.Overrides.Add(("journal_steps", "2"));
    }

    public void Dispose()
    {
        whole.Dispose();
        tiny.Dispose();
    }

    [Fact]
    public async Task A_run_that_compacts_and_is_stopped_again_and_again_ends_as_one_that_keeps_everything()
    {
        Outcome expected = await whole.Train();
        foreach (int until in (int[])[3, 5, 6, 8, 9])
        {
            await tiny.StopAfter(until);
        }

        Outcome outcome = await tiny.Train();
        Assert.Equal(expected.Hashes, outcome.Hashes);
        Assert.Equal(ResultText.Json(expected.Result with { Seconds = 0, Run = "" }), ResultText.Json(outcome.Result with { Seconds = 0, Run = "" })); // accuracy and rewards of steps that are gone included
        Assert.IsType<RunEvent.Compacted>(tiny.Events()[0]);
        Assert.True(tiny.Events().Count < whole.Events().Count);
        string Metrics(TinyRun run) => string.Join('\n', File.ReadLines(Path.Combine(run.Folder, "metrics.jsonl")).Select(line => System.Text.RegularExpressions.Regex.Replace(line, "\"step_time\":[^,}]*", "")));
        Assert.Equal(Metrics(whole), Metrics(tiny));
    }

    [Fact]
    public async Task An_audit_begins_with_the_compaction_record_and_says_what_it_could_not_see()
    {
        whole.Overrides.Add(("lag", "1"));
        tiny.Overrides.Add(("lag", "1"));
        await whole.Train();
        await tiny.Train();
        AuditReport expected = Audited(whole), report = Audited(tiny);
        Assert.Empty(report.Findings);
        Assert.Contains("were compacted away", Assert.Single(report.Unseen), StringComparison.Ordinal);
        Assert.Equal(expected.LedgerSha256, report.LedgerSha256);
        Assert.Equal(expected.WeightsSha256, report.WeightsSha256);
        Assert.Equal(expected.Counts with { Records = 0 }, report.Counts with { Records = 0 });
    }

    [Fact]
    public async Task An_audit_of_a_compacted_journal_still_finds_what_was_changed_after_it()
    {
        await tiny.Train();
        List<RunEvent> events = tiny.Events();
        int at = events.FindLastIndex(e => e is RunEvent.StepCommitted);
        var step = (RunEvent.StepCommitted)events[at];
        events[at] = step with { Inputs = step.Inputs with { LearningRate = step.Inputs.LearningRate * 2 } };
        AuditReport report = JournalAudit.Run(DamagedStream.Stored(events, first: First(tiny)), tiny.Plan().Identity, PlanIdentity.IdentityDigest(tiny.Plan().Identity));
        Assert.Contains(report.Findings, finding => finding.Kind == "chain");
    }

    [Fact]
    public async Task A_compaction_record_that_does_not_fit_the_records_before_it_is_found()
    {
        await whole.Train();
        List<RunEvent> events = whole.Events();
        int at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 4 }) + 1;
        RunIdentity plan = whole.Plan().Identity;
        RunState folded = events.Take(at).Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
        events.Insert(at, new RunEvent.Compacted(0, folded with { Counts = folded.Counts with { TokensTrained = folded.Counts.TokensTrained + 1 } }));
        AuditReport report = JournalAudit.Run(DamagedStream.Stored(events), plan, PlanIdentity.IdentityDigest(plan));
        Assert.Equal("compaction", Assert.Single(report.Findings).Kind);
    }

    [Fact]
    public async Task Where_no_checkpoint_is_whole_a_compacted_run_stops_with_a_sentence()
    {
        await tiny.StopAfter(8);
        Directory.Delete(tiny.CheckpointFolder, recursive: true);
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.StartsWith("No checkpoint of step", failure.Message, StringComparison.Ordinal);
        Assert.Contains("were compacted away", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Checkpoints_are_kept_as_the_plan_says()
    {
        tiny.Overrides.AddRange([("save_total_limit", "3"), ("save_best", "false"), ("save_steps", "1")]);
        await tiny.Train();
        Assert.Equal(["step-000002", "step-000009", "step-000010", "step-000011"], Checkpoints(tiny)); // the grpo phase began at 2
    }

    [Fact]
    public async Task The_best_checkpoint_outlives_the_newer_ones()
    {
        tiny.Overrides.Add(("save_steps", "1"));
        await tiny.Train();
        RunState run = tiny.Events().Aggregate(RunState.Begin(tiny.Plan().Identity), (state, e) => state.Apply(e));
        double best = run.Checkpoints.Max(checkpoint => checkpoint.Accuracy ?? 0);
        Assert.Equal(tiny.Events().OfType<RunEvent.Evaluated>().Select(e => e.Evaluation.Accuracy).Append(best).Max(), best);
        Assert.Equal(run.Checkpoints.Select(checkpoint => checkpoint.Folder).Order(StringComparer.Ordinal), Checkpoints(tiny));
    }

    private static string[] Checkpoints(TinyRun run) => [.. Directory.GetDirectories(run.CheckpointFolder, "step-*").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private static long First(TinyRun run)
    {
        using IJournalReader reader = run.Journal.OpenForReading();
        return reader.First;
    }

    private static AuditReport Audited(TinyRun run)
    {
        using IJournalReader reader = run.Journal.OpenForReading();
        return JournalAudit.Run(reader, run.Plan().Identity, PlanIdentity.IdentityDigest(run.Plan().Identity));
    }
}
