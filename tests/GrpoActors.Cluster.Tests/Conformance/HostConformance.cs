using GrpoActors.Core.Runs;
using GrpoActors.Journal.Tests;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Tests.Audit;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Cluster.Tests.Conformance;

/// <summary>What a run may expect of its host, whichever it is.</summary>
public abstract class HostConformance : IDisposable
{
    private readonly TemporaryFolder folder = new();

    protected HostConformance() => TinyRunFiles.Write(folder.Path);

    /// <summary>The host that the suite is about.</summary>
    protected abstract ITestedHost Host { get; }

    /// <summary>The other one.</summary>
    protected abstract ITestedHost Other { get; }

    /// <summary>What the reward <c>judge</c> says of a completion; by default its length.</summary>
    private Func<RewardInput, float?> Judge { get; set; } = input => input.Tokens;

    private string RunFolder => folder.File("run");

    [Fact]
    public async Task A_run_is_complete_with_a_report_for_each_step_and_a_clean_audit()
    {
        (RunResult result, int reports) = await Train(Host, []);
        Assert.Equal(RunEnd.Completed, result.End);
        Assert.Equal((6, 8), (result.Steps, reports));
        Assert.True(result.Exact);
        Assert.Equal(8, File.ReadLines(Path.Combine(RunFolder, "metrics.jsonl")).Count());
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_finished_run_gives_its_result_again_and_trains_nothing()
    {
        (RunResult first, _) = await Train(Host, []);
        (RunResult again, int reports) = await Train(Host, []);
        Assert.Equal((Hashes(first), 0), (Hashes(again), reports));
    }

    [Theory]
    [InlineData]
    [InlineData("lag=1", "phases.grpo.num_iterations=2", "phases.grpo.mini_batches=2", "phases.grpo.beta=0.02", "phases.grpo.drop_zero_spread=true", "phases.grpo.refill=2")]
    [InlineData("generators=3", "scorers=2", "groups_per_ticket=1")]
    public async Task Its_hashes_are_those_of_the_other_host(params string[] settings)
    {
        (RunResult here, _) = await Train(Host, settings);
        (RunResult there, _) = await Train(Other, settings, folder.File("there"));
        Assert.Equal(Hashes(there), Hashes(here));
    }

    [Fact]
    public async Task Stopped_on_the_way_it_goes_on_to_the_same_hashes()
    {
        (RunResult undisturbed, _) = await Train(Host, [], folder.File("undisturbed"));
        await Host.StopAfter(Run([]), step: 4);
        Assert.InRange(RecordedRun.Open(RunFolder).Events().Last().After.Version.Steps, 4, 7);
        (RunResult result, _) = await Train(Host, []);
        Assert.Equal(Hashes(undisturbed), Hashes(result));
    }

    [Fact]
    public async Task What_the_other_host_began_it_ends_with_the_same_hashes()
    {
        (RunResult undisturbed, _) = await Train(Host, [], folder.File("undisturbed"));
        await Other.StopAfter(Run([]), step: 4);
        (RunResult result, _) = await Train(Host, []);
        Assert.Equal(Hashes(undisturbed), Hashes(result));
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_reward_that_fails_is_an_outcome_and_never_a_zero()
    {
        Judge = input => input.Tokens % 2 == 0 ? throw new InvalidOperationException("no") : input.Tokens;
        (RunResult result, _) = await Train(Host, [WithJudge]);
        RunCounts counts = RecordedRun.Open(RunFolder).Events().Last().After.Counts;
        Assert.Equal(RunEnd.Completed, result.End);
        Assert.True(counts.OutcomesFaulted > 0);
    }

    [Fact]
    public async Task A_reward_that_fails_stops_the_run_by_name_where_the_plan_says_so()
    {
        Judge = _ => throw new InvalidOperationException("no");
        RunFailedException failure = await Assert.ThrowsAsync<RunFailedException>(() => Train(Host, [WithJudge, "on_reward_failure=stop"]));
        Assert.Contains("Reward judge failed on completion 1.p.", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sentinel_ends_the_run_at_the_last_committed_version()
    {
        (RunResult result, _) = await Train(Host, ["sentinels={\"grad_norm\":{\"threshold\":1e-9,\"policy\":\"stop\"}}"]);
        Assert.Equal((RunEnd.SentinelTripped, 0), (result.End, result.Steps));
    }

    [Fact]
    public async Task A_rollback_gives_the_hashes_of_the_other_host()
    {
        string[] settings = ["sentinels={\"length_blow_up\":{\"threshold\":0.9,\"policy\":\"rollback\"},\"rollback_steps\":2,\"rollbacks_max\":2}"];
        (RunResult here, _) = await Train(Host, settings);
        (RunResult there, _) = await Train(Other, settings, folder.File("there"));
        Assert.Equal((there.End, Hashes(there)), (here.End, Hashes(here)));
    }

    [Fact]
    public async Task Arrival_order_is_complete_with_a_clean_audit()
    {
        (RunResult result, _) = await Train(Host, ["order=arrival", "lag=1", "generators=2"]);
        Assert.Equal((RunEnd.Completed, false), (result.End, result.Exact));
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_reward_in_CSharp_scores_on_it_and_gives_the_hashes_of_the_other_host()
    {
        int judged = 0;
        Judge = input =>
        {
            Interlocked.Increment(ref judged);
            return input.Tokens;
        };
        (RunResult here, _) = await Train(Host, [WithJudge]);
        Assert.Equal(6 * 4 * 4, judged); // each completion of each step once
        (RunResult there, _) = await Train(Other, [WithJudge], folder.File("there"));
        Assert.Equal(Hashes(there), Hashes(here));
    }

    [Fact]
    public async Task Fresh_sets_the_old_run_aside_and_begins_anew()
    {
        (RunResult first, _) = await Train(Host, []);
        (RunResult again, int reports) = await Host.Train(Run([]) with { Fresh = true });
        Assert.Equal((Hashes(first), 8), (Hashes(again), reports));
        Assert.True(File.Exists(Path.Combine(RunFolder + ".1", "metrics.jsonl")));
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_lost_tail_is_computed_again_in_canonical_order()
    {
        (RunResult before, _) = await LoseTail([]);
        (RunResult after, int reports) = await Train(Host, []);
        Assert.Equal(Hashes(before), Hashes(after));
        Assert.InRange(reports, 1, 4);
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_lost_tail_in_arrival_order_stops_the_run_unless_it_is_accepted()
    {
        string[] arrival = ["order=arrival"];
        await LoseTail(arrival);
        RunFailedException refused = await Assert.ThrowsAsync<RunFailedException>(() => Train(Host, arrival));
        Assert.Contains("--accept-lost-tail", refused.Message, StringComparison.Ordinal);
        (RunResult result, int reports) = await Host.Train(Run(arrival) with { AcceptLostTail = true });
        Assert.Equal((RunEnd.Completed, 6), (result.End, result.Steps));
        Assert.InRange(reports, 1, 4);
        Assert.Empty(RecordedRun.Open(RunFolder).Audit().Findings);
    }

    [Fact]
    public async Task A_worker_s_failures_are_forgiven_as_steps_are_committed()
    {
        FailingEngine engine = FailingEngine.At(3, 14, 25);
        (RunResult result, int reports) = await Train(Host, [$"engine={engine.Name}", "worker_restarts_max=1", "phases.grpo.steps=25", "save_steps=10"]);
        Assert.Equal((RunEnd.Completed, 27, 0), (result.End, reports, engine.Left));
    }

    [Fact]
    public async Task A_worker_that_fails_more_often_than_it_is_forgiven_stops_the_run_by_name()
    {
        FailingEngine engine = FailingEngine.At(3, 4);
        RunFailedException failure = await Assert.ThrowsAsync<RunFailedException>(() => Train(Host, [$"engine={engine.Name}", "worker_restarts_max=1"]));
        Assert.Contains("generator-1 failed 2 times, the last time with: seeded failure at version 4", failure.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private const string WithJudge = """rewards=[{"name":"answer","kind":"exact_answer"},{"name":"judge","kind":"judge"}]""";

    private static string Hashes(RunResult result) => $"{result.WeightsSha256} {result.OptimizerSha256} {result.LedgerSha256}";

    /// <summary>A complete run whose journal ends at step 4 or a little later, while its checkpoints know the end.</summary>
    private async Task<(RunResult Result, int Reports)> LoseTail(string[] settings)
    {
        await Host.StopAfter(Run(settings), step: 4);
        (string Name, byte[] Bytes)[] kept = [.. Journal().Select(file => (file, File.ReadAllBytes(file)))];
        (RunResult Result, int Reports) complete = await Train(Host, settings);
        foreach (string file in Journal())
        {
            File.Delete(file);
        }

        foreach ((string name, byte[] bytes) in kept)
        {
            await File.WriteAllBytesAsync(name, bytes);
        }

        return complete;

        string[] Journal() => Directory.GetFiles(RunFolder, "journal.db*");
    }

    private Task<(RunResult Result, int Reports)> Train(ITestedHost host, string[] settings, string? into = null) => host.Train(Run(settings, into));

    private TestedRun Run(string[] settings, string? into = null) => new(
        folder.File(TinyRunFiles.RunFile), folder.File(TinyRunFiles.Hurried), RewardRegistry.BuiltIn.With(new DelegateReward("judge", 1, input => Judge(input))),
        [.. settings.Select(Pair), ("run_dir", into ?? RunFolder)]);

    private static (string Key, string Value) Pair(string setting) => (setting[..setting.IndexOf('=', StringComparison.Ordinal)], setting[(setting.IndexOf('=', StringComparison.Ordinal) + 1)..]);
}

/// <param name="Nodes">HOCON for a host that has nodes.</param>
public sealed record TestedRun(string RunFile, string Nodes, RewardRegistry Rewards, IReadOnlyList<(string Key, string Value)> Overrides, bool Fresh = false, bool AcceptLostTail = false);

public interface ITestedHost
{
    Task<(RunResult Result, int Reports)> Train(TestedRun run);

    /// <summary>Stops it in order once this step, counted through the whole run from 1, is committed.</summary>
    Task StopAfter(TestedRun run, long step);
}

public sealed class LocalHostTests : HostConformance
{
    protected override ITestedHost Host => new LocalHost();

    protected override ITestedHost Other => new ClusterHost();
}

public sealed class ClusterHostTests : HostConformance
{
    protected override ITestedHost Host => new ClusterHost();

    protected override ITestedHost Other => new LocalHost();
}
