using GrpoActors.Actors;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Cluster.Tests.Conformance;

internal sealed class LocalHost : ITestedHost
{
    public async Task<(RunResult Result, int Reports)> Train(TestedRun run)
    {
        using GrpoRun opened = Open(run);
        int reports = 0;
        await foreach (StepReport _ in opened.TrainAsync())
        {
            reports++;
        }

        return (opened.Result!, reports);
    }

    public async Task StopAfter(TestedRun run, long step)
    {
        using GrpoRun opened = Open(run);
        using var stop = new CancellationTokenSource();
        try
        {
            await foreach (StepReport report in opened.TrainAsync(stop.Token))
            {
                if (report.RunStep >= step)
                {
                    await stop.CancelAsync();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // as asked
        }
    }

    private static GrpoRun Open(TestedRun run) => GrpoRun.Open(run.RunFile, new GrpoRunSettings { Rewards = run.Rewards, Overrides = run.Overrides, Fresh = run.Fresh, AcceptLostTail = run.AcceptLostTail });
}

/// <summary>One node with all roles, in this process.</summary>
internal sealed class ClusterHost : ITestedHost
{
    public async Task<(RunResult Result, int Reports)> Train(TestedRun run)
    {
        int reports = 0;
        await using ClusterNode node = await Open(run, _ => reports++);
        return await node.RunAsync(CancellationToken.None) switch
        {
            RunOutcome.Complete { Result: { } result } => (result, reports),
            RunOutcome.Failed failed => throw failed.Failure,
            _ => throw new InvalidOperationException("The node ended without an outcome."),
        };
    }

    public async Task StopAfter(TestedRun run, long step)
    {
        using var stop = new CancellationTokenSource();
        await using ClusterNode node = await Open(run, report =>
        {
            if (report.RunStep >= step)
            {
                stop.Cancel();
            }
        });
        await node.RunAsync(stop.Token);
    }

    private static Task<ClusterNode> Open(TestedRun run, Action<StepReport> report) => ClusterNode.OpenAsync(
        NodeOptions.Of(run.RunFile, new GrpoNodeSettings { Name = "all", Port = 0, HttpPort = 0, ConfigFile = run.Nodes }),
        new GrpoRunSettings { Rewards = run.Rewards, Overrides = run.Overrides, Fresh = run.Fresh, AcceptLostTail = run.AcceptLostTail }, report, NullLoggerFactory.Instance);
}
