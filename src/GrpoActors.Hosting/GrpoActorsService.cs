using System.Runtime.ExceptionServices;
using GrpoActors.Actors;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Operations;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace GrpoActors.Hosting;

/// <summary>Opens the run when the host starts, trains it in the background, and stops with the state intact when the host stops.</summary>
internal sealed partial class GrpoActorsService(IOptions<GrpoActorsOptions> options, HostedRun run, ILoggerFactory logs, IHostApplicationLifetime host) : IHostedService, IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private readonly ILogger log = logs.CreateLogger(CategoryPrefix.Root);
    private Task training = Task.CompletedTask;

    /// <exception cref="ConfigException">The run file, the options, or what they name, is wrong: the host does not start.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        GrpoActorsOptions asked = options.Value;
        GrpoRunSettings settings = asked.Settings() with { Logger = log };
        var lines = new StepLog(log);
        if (asked.Node is { } node)
        {
            NodeOptions written = NodeOptions.Of(asked.RunFile, node with { Stay = !asked.StopHostWhenOver });
            training = Watch(Train(await ClusterNode.OpenAsync(written, settings, Report, new CategoryPrefix(logs))));
        }
        else
        {
            training = Watch(Train(await Task.Run(() => GrpoRun.Open(asked.RunFile, settings), cancellationToken), Report));
        }

        void Report(StepReport step)
        {
            lines.Write(step);
            run.Add(step);
        }
    }

    /// <summary>Ends as the run has: with its failure, if it failed.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await stop.CancelAsync();
        await training.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync(); // a host that could not start stops nobody
        await training.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task Train(GrpoRun opened, Action<StepReport> report)
    {
        using (opened)
        {
            run.Ready = static () => new ReadyReport(true, "the run is at work");
            await foreach (StepReport step in opened.TrainAsync(stop.Token))
            {
                report(step);
            }

            Over(opened.Result);
        }
    }

    private async Task Train(ClusterNode node)
    {
        await using (node)
        {
            run.Ready = node.Ready;
            Task<RunOutcome?> running = node.RunAsync(stop.Token);
            if (await Task.WhenAny((Task)node.Ended, running) == node.Ended)
            {
                if (await node.Ended is RunOutcome.Complete complete)
                {
                    Over(complete.Result); // the node may stay
                }
                else
                {
                    await stop.CancelAsync(); // it does not
                }
            }

            switch (await running)
            {
                case RunOutcome.Failed failed:
                    ExceptionDispatchInfo.Throw(failed.Failure);
                    break;
                case RunOutcome.Complete complete:
                    Over(complete.Result);
                    break;
            }
        }
    }

    private void Over(RunResult? result)
    {
        if (!run.Complete(result))
        {
            return; // said before
        }

        if (result?.End is { } end)
        {
            LogOver(log, end == RunEnd.Completed ? LogLevel.Information : LogLevel.Warning, ResultText.Words(end, result.Reason));
        }

        if (options.Value.StopHostWhenOver)
        {
            host.StopApplication();
        }
    }

    private async Task Watch(Task work)
    {
        try
        {
            await work;
            if (run.Cancel() && options.Value.StopHostWhenOver) // the node was drained: the run goes on without it
            {
                host.StopApplication();
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            run.Cancel();
        }
        catch (Exception failure)
        {
            LogFailed(log, failure, failure.Message);
            run.Fail(failure);
            host.StopApplication();
            throw;
        }
    }

    [LoggerMessage("The run {How}")]
    private static partial void LogOver(ILogger log, LogLevel level, string how);

    [LoggerMessage(LogLevel.Critical, "The run cannot go on, and the host stops: {Reason}")]
    private static partial void LogFailed(ILogger log, Exception failure, string reason);
}
