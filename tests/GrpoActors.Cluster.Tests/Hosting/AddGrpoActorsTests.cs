using System.Net;
using System.Net.Sockets;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Hosting;
using GrpoActors.Journal.Tests;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace GrpoActors.Cluster.Tests.Hosting;

/// <summary>A run in somebody's generic host, in this process alone and as a node.</summary>
public sealed class AddGrpoActorsTests : IDisposable
{
    private const string WithJudge = """[{"name":"answer","kind":"exact_answer"},{"name":"judge","kind":"judge"}]""";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly TemporaryFolder folder = new();
    private int judged;

    public AddGrpoActorsTests() => TinyRunFiles.Write(folder.Path);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_host_stops_when_the_run_is_over_and_its_services_have_steps_and_result(bool node)
    {
        using IHost host = Host(node, WithCountingJudge);
        HostedRun run = host.Services.GetRequiredService<HostedRun>();
        Task<int> steps = Count(run);
        await host.RunAsync().WaitAsync(Patience);
        Assert.Equal((RunEnd.Completed, 8), ((await run.Result)!.End, await steps));
        Assert.Equal(8, await Count(run)); // whoever comes late has them all too
        Assert.True(judged > 0);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_failed_run_ends_the_host_with_its_failure_whatever_it_does_at_the_end_of_others(bool node, bool stops)
    {
        var lines = new LogLines();
        using IHost host = Host(node, grpo =>
        {
            grpo.Rewards = RewardRegistry.BuiltIn.With(new DelegateReward("judge", 1, _ => throw new InvalidOperationException("no")));
            grpo.Overrides["rewards"] = WithJudge;
            grpo.Overrides["on_reward_failure"] = "stop";
            grpo.StopHostWhenOver = stops;
        }, lines);
        RunFailedException failure = await Assert.ThrowsAsync<RunFailedException>(() => host.RunAsync().WaitAsync(Patience));
        Assert.Contains("Reward judge failed on completion 1.p.", failure.Message, StringComparison.Ordinal);
        Assert.Contains(lines.Warnings, line => line.StartsWith("The run cannot go on, and the host stops: Reward judge failed", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_need_not_stop_goes_on_and_is_healthy(bool node)
    {
        using IHost host = Host(node, grpo => grpo.StopHostWhenOver = false);
        HostedRun run = host.Services.GetRequiredService<HostedRun>();
        Assert.Equal((HealthStatus.Unhealthy, "the run has not begun"), await Health(host));
        await host.StartAsync();
        Assert.Equal(RunEnd.Completed, (await run.Result.WaitAsync(Patience))!.End);
        Assert.Equal((HealthStatus.Healthy, "the run is over"), await Health(host));
        Assert.False(host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested);
        await host.StopAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_is_stopped_leaves_a_run_that_the_next_one_ends_with_the_same_hashes(bool node)
    {
        RunResult undisturbed = await Train(node, "undisturbed");
        using (IHost host = Host(node))
        {
            HostedRun run = host.Services.GetRequiredService<HostedRun>();
            await host.StartAsync();
            await Count(run, until: 3).WaitAsync(Patience);
            await host.StopAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.Result);
            Assert.Equal((HealthStatus.Unhealthy, "the run was stopped before its end"), await Health(host));
        }

        Assert.Equal(undisturbed.LedgerSha256, (await Train(node, "run")).LedgerSha256);
    }

    [Fact]
    public async Task A_reward_runs_on_the_node_that_scores()
    {
        int port = FreePort();
        int elsewhere = 0;
        using IHost first = Host(node: true, grpo =>
        {
            WithJudgeThat(grpo, () => elsewhere++);
            grpo.Node = new() { Name = "c", Roles = ["coordinator", "trainer", "generator"], Port = port, HttpPort = 0, Seeds = [$"127.0.0.1:{port}"], ConfigFile = folder.File(TinyRunFiles.Hurried) };
        });
        using IHost scorer = Host(node: true, grpo =>
        {
            WithCountingJudge(grpo);
            grpo.Node = new() { Name = "s", Roles = ["scorer"], Port = 0, HttpPort = 0, Seeds = [$"127.0.0.1:{port}"], ConfigFile = folder.File(TinyRunFiles.Hurried) };
        });
        Task<RunResult?> result = first.Services.GetRequiredService<HostedRun>().Result, none = scorer.Services.GetRequiredService<HostedRun>().Result;
        await Task.WhenAll(first.RunAsync(), scorer.RunAsync()).WaitAsync(Patience);
        Assert.Equal(RunEnd.Completed, (await result)!.End);
        Assert.Null(await none);
        Assert.Equal((true, 0), (judged > 0, elsewhere));
    }

    [Theory]
    [InlineData(false, "lag", "-1", "lag: is -1")]
    [InlineData(true, "lag", "-1", "lag: is -1")]
    [InlineData(false, "rewards", """[{"name":"x","kind":"x"}]""", "is \"x\", which is no reward function")]
    public async Task A_mistake_is_told_in_a_sentence_when_the_host_starts(bool node, string key, string value, string sentence)
    {
        using IHost host = Host(node, grpo => grpo.Overrides[key] = value);
        ConfigException mistake = await Assert.ThrowsAsync<ConfigException>(() => host.StartAsync());
        Assert.Contains(sentence, mistake.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mistake_in_the_nodes_options_is_told_too()
    {
        using IHost host = Host(node: true, grpo => grpo.Node = new() { Roles = ["boss"] });
        ConfigException mistake = await Assert.ThrowsAsync<ConfigException>(() => host.StartAsync());
        Assert.Equal("roles: names \"boss\", which is no role. Roles are coordinator, trainer, generator, scorer.", mistake.Message);
    }

    [Fact]
    public void The_hosts_own_configuration_is_laid_over_what_the_program_says()
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection([new("Grpo:Overrides:lag", "1"), new("Grpo:Node:Roles:0", "scorer"), new("Grpo:Node:Port", "0"), new("Grpo:StopHostWhenOver", "false")]);
        builder.Services.AddGrpoActors("a.json").Configure<GrpoActorsOptions>(builder.Configuration.GetSection("Grpo"));
        using IHost host = builder.Build();
        GrpoActorsOptions options = host.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<GrpoActorsOptions>>().Value;
        Assert.Equal(("a.json", "1", "scorer", 0, false), (options.RunFile, options.Overrides["lag"], options.Node!.Roles!.Single(), options.Node.Port, options.StopHostWhenOver));
    }

    [Fact]
    public void A_host_has_one_run() => Assert.Throws<InvalidOperationException>(() => new ServiceCollection().AddGrpoActors("a.json").AddGrpoActors("b.json"));

    public void Dispose() => folder.Dispose();

    private static async Task<int> Count(HostedRun run, long until = long.MaxValue)
    {
        int count = 0;
        await foreach (StepReport step in run.Steps())
        {
            count++;
            if (step.RunStep >= until)
            {
                break;
            }
        }

        return count;
    }

    private static async Task<(HealthStatus Status, string? Reason)> Health(IHost host)
    {
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        return (report.Status, report.Entries["grpo"].Description);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static void WithJudgeThat(GrpoActorsOptions grpo, Action judges)
    {
        grpo.Overrides["rewards"] = WithJudge;
        grpo.Rewards = RewardRegistry.BuiltIn.With(new DelegateReward("judge", 1, input =>
        {
            judges();
            return input.Tokens;
        }));
    }

    private void WithCountingJudge(GrpoActorsOptions grpo) => WithJudgeThat(grpo, () => Interlocked.Increment(ref judged));

    private async Task<RunResult> Train(bool node, string into)
    {
        using IHost host = Host(node, grpo => grpo.Overrides["run_dir"] = folder.File(into));
        HostedRun run = host.Services.GetRequiredService<HostedRun>();
        await host.RunAsync().WaitAsync(Patience);
        return (await run.Result)!;
    }

    private IHost Host(bool node, Action<GrpoActorsOptions>? configure = null, ILoggerFactory? logs = null)
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        if (logs is not null)
        {
            builder.Services.AddSingleton(logs);
        }

        builder.Services.AddGrpoActors(folder.File(TinyRunFiles.RunFile), grpo =>
        {
            grpo.Overrides["run_dir"] = folder.File("run");
            grpo.Node = node ? new() { Name = "all", Port = 0, HttpPort = 0, ConfigFile = folder.File(TinyRunFiles.Hurried) } : null;
            configure?.Invoke(grpo);
        });
        return builder.Build();
    }
}
