using GrpoActors.Cluster.Operations;
using GrpoActors.Runtime.Reports;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace GrpoActors.Hosting;

/// <summary>Healthy: the run is at work here, or complete. Not: it has not begun, has failed or was stopped, or the node is no member of the cluster.</summary>
internal sealed class RunHealthCheck(HostedRun run) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        StepReport? newest = run.Newest;
        Dictionary<string, object> data = newest is null ? [] : new() { ["step"] = newest.RunStep, ["steps"] = newest.RunSteps };
        (bool healthy, string reason) = run.Result switch
        {
            { IsCompletedSuccessfully: true } => (true, "the run is over"),
            { IsFaulted: true } failed => (false, $"the run has failed: {failed.Exception.InnerException!.Message}"),
            { IsCanceled: true } => (false, "the run was stopped before its end"),
            _ => run.Ready() is var (ready, standing) ? (ready, standing) : default,
        };
        return Task.FromResult(new HealthCheckResult(healthy ? HealthStatus.Healthy : context.Registration.FailureStatus, reason, run.Result.Exception?.InnerException, data));
    }
}
