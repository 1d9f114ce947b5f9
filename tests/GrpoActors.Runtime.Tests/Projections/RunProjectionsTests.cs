using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Projections;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Tests.Audit;
using Xunit;

namespace GrpoActors.Runtime.Tests.Projections;

public sealed class RunProjectionsTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();
    private readonly RunPlan plan = new(RecordedRun.Plan(), RecordedRun.Operation);
    private readonly List<RunEvent> events;

    public RunProjectionsTests() => events = RecordedRun.Events(plan.Identity);

    private string Run => temporary.File("run");

    public void Dispose() => temporary.Dispose();

    [Fact]
    public void Each_committed_step_stands_once_with_trls_names()
    {
        Project(events, events.Count);
        JsonElement[] lines = Lines("metrics.jsonl");
        Assert.Equal([1, 2, 3, 4, 5, 6], lines.Select(line => line.GetProperty("step").GetInt64()));
        Assert.Equal(["sft", "sft", "grpo", "grpo", "grpo", "grpo"], lines.Select(line => line.GetProperty("phase").GetString()));
        Assert.Equal([1, 2, 1, 2, 3, 4], lines.Select(line => line.GetProperty("phase_step").GetInt32()));
        string[] expected = ["loss", "reward", "completions/mean_length", "learning_rate", "num_completion_tokens", "epoch", "step_time"];
        Assert.All(lines[2..], line => Assert.All(expected, name => Assert.True(line.TryGetProperty(name, out _), name)));
        Assert.False(lines[0].TryGetProperty("reward", out _));
        Assert.Equal(3, lines[0].GetProperty("step_time").GetDouble());
        Assert.Equal([true, false, true, false], lines[2..].Select(line => line.TryGetProperty("eval_accuracy", out _)));
    }

    [Fact]
    public void The_numbers_are_those_that_the_journal_holds_of_the_step()
    {
        Project(events, events.Count);
        var step = events.OfType<RunEvent.StepCommitted>().Single(x => x.Inputs.Step == 3);
        JsonElement line = Lines("metrics.jsonl")[3];
        Assert.All(step.Outputs.Metrics, metric => Assert.Equal(metric.Value, line.GetProperty(metric.Name).GetDouble()));
        Assert.Equal(
            events.TakeWhile(e => e != step).OfType<RunEvent.CompletionsScored>().SelectMany(x => x.Completions).Sum(scored => (long)scored.Completion.Tokens.Length),
            line.GetProperty("num_completion_tokens").GetInt64());
    }

    [Fact]
    public void Dialect_verl_names_the_validation_and_the_throughput_too()
    {
        CommittedStep step = Folded(events).Select(CommittedStep.Of).OfType<CommittedStep>().First(x => x is { Evaluation: not null, Inputs.Kind: PhaseKind.Grpo });
        Assert.DoesNotContain(StepMetrics.Of(step), metric => metric.Name.StartsWith("val-", StringComparison.Ordinal) || metric.Name.StartsWith("perf/", StringComparison.Ordinal));
        GroupPlan group = step.Phase.Groups;
        step = step with
        {
            Phase = step.Phase with { Group = group with { Objective = group.Objective with { Dialect = Dialect.Verl } } },
            Outputs = step.Outputs with { Metrics = step.Outputs.Metrics.Add(new Metric("perf/total_num_tokens", 120)) },
            Timings = new StepTimings(TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(1)),
            EvaluationData = "held-out",
        };
        var values = StepMetrics.Of(step).ToDictionary(metric => metric.Name, metric => metric.Value);
        Assert.Equal((4, 4, 30), (values["perf/time_per_step"], values["timing_s/step"], values["perf/throughput"]));
        Assert.Equal((step.Evaluation!.Accuracy, step.Evaluation.MeanReward), (values["val-core/held-out/acc/mean@1"], values["val-aux/held-out/reward/mean@1"]));
        Assert.Equal(values["epoch"], values["training/epoch"]);
    }

    [Fact]
    public void Samples_hold_prompt_completion_rewards_and_advantage()
    {
        Project(events, events.Count);
        JsonElement[] lines = Lines("samples.jsonl");
        Assert.Equal([3, 4, 6], lines.Select(line => line.GetProperty("step").GetInt64()).Distinct()); // phase steps 1, 2, 4
        Assert.Equal(3 * 2 * 4, lines.Length);
        Assert.StartsWith("row ", lines[0].GetProperty("prompt").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Number, lines[0].GetProperty("advantage").ValueKind);
        Assert.Equal(["right", "format"], lines[0].GetProperty("rewards").EnumerateObject().Select(property => property.Name));
    }

    [Fact]
    public void A_process_killed_anywhere_and_started_again_leaves_the_same_metrics_and_samples_as_one_that_was_not()
    {
        Project(events, events.Count);
        string metrics = File.ReadAllText(Path.Combine(Run, "metrics.jsonl")), samples = File.ReadAllText(Path.Combine(Run, "samples.jsonl"));
        for (int killedAt = 0; killedAt <= events.Count; killedAt += 5)
        {
            Directory.Delete(Run, recursive: true);
            Project(events, killedAt);
            Project(events, events.Count);
            Assert.Equal(metrics, File.ReadAllText(Path.Combine(Run, "metrics.jsonl")));
            Assert.Equal(samples, File.ReadAllText(Path.Combine(Run, "samples.jsonl")));
        }
    }

    [Theory]
    [InlineData("metrics.jsonl")]
    [InlineData("samples.jsonl")]
    [InlineData("tb")]
    public void A_torn_end_is_cut_and_written_again(string name)
    {
        Project(events, events.Count);
        string path = name == "tb" ? Directory.GetFiles(Path.Combine(Run, "tb")).Single() : Path.Combine(Run, name);
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 0; length < whole.Length; length += 13)
        {
            File.WriteAllBytes(path, whole[..length]);
            Project(events, events.Count);
            if (name == "samples.jsonl" && (length == 0 || whole[length - 1] == '\n'))
            {
                // Cut between two lines: what is lost is lost, but nothing stands twice.
                string[] lines = File.ReadAllLines(path);
                Assert.Equal(lines.Length, lines.Distinct().Count());
                File.WriteAllBytes(path, whole);
            }
            else
            {
                Assert.Equal(whole, File.ReadAllBytes(path));
            }
        }
    }

    [Fact]
    public void What_goes_beyond_the_journal_is_cut()
    {
        Project(events, events.Count);
        int third = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 2 }) + 1;
        Project(events.Take(third).ToList(), third);
        Assert.Equal([1, 2, 3], Lines("metrics.jsonl").Select(line => line.GetProperty("step").GetInt64()));
        Assert.Equal([3], Lines("samples.jsonl").Select(line => line.GetProperty("step").GetInt64()).Distinct());
    }

    /// <summary>Feeds the first <paramref name="recovered"/> events as recovery, the rest as they come live.</summary>
    private void Project(List<RunEvent> stream, int recovered)
    {
        using RunFolder folder = RunFolder.Open(Run);
        var samples = new StepSamples(plan.Identity, (phase, row) => $"row {row} of {phase}", tokens => string.Join(' ', tokens));
        using RunProjections projections = RunProjections.Open(folder, PhysicalDisk.Instance, plan, samples, new StandingClock());
        foreach (FoldedEvent e in Folded(stream.Take(recovered)))
        {
            projections.Apply(e);
        }

        projections.Recovered();
    }

    private IEnumerable<FoldedEvent> Folded(IEnumerable<RunEvent> stream)
    {
        RunState run = RunState.Begin(plan.Identity);
        foreach (RunEvent e in stream)
        {
            RunState before = run;
            run = run.Apply(e);
            yield return new FoldedEvent(before, e, run);
        }
    }

    private JsonElement[] Lines(string name) => [.. File.ReadLines(Path.Combine(Run, name)).Select(line => JsonDocument.Parse(line).RootElement)];

    private sealed class StandingClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddDays(20_000);
    }
}
