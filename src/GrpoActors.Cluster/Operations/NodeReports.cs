using System.Diagnostics.Metrics;
using GrpoActors.Actors.Telemetry;

namespace GrpoActors.Cluster.Operations;

/// <param name="Reason">Why not, or what is ready; one line.</param>
internal readonly record struct ReadyReport(bool Ready, string Reason);

/// <summary>What a node tells whoever operates it. Each is asked at every request, from any thread, and should answer from memory.</summary>
/// <param name="Ready">Whether work should be sent here.</param>
/// <param name="Meter">What it measures; the server adds its own.</param>
/// <param name="Status">Written as JSON.</param>
/// <param name="Drain">The node is asked to finish what it holds and to leave; returns at once.</param>
internal sealed record NodeReports(
    Func<ReadyReport> Ready,
    Meter Meter,
    Func<object> Status,
    Action Drain)
{
    public static NodeReports None => new(static () => new ReadyReport(false, "the node is starting"), new Meter(RunInstruments.Name), static () => new { }, static () => { });
}
