using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Operations;

/// <summary>What a node writes to the log beside its run's lines.</summary>
internal static partial class NodeLogLines
{
    [LoggerMessage(LogLevel.Warning, "{Sentence}")]
    public static partial void Once(this ILogger log, string sentence);

    [LoggerMessage(LogLevel.Warning, "A request from {Remote} was refused: {Refusal}. More of them in the next ten minutes are counted, not logged.")]
    public static partial void RequestRefused(this ILogger log, string remote, string refusal);

    [LoggerMessage(LogLevel.Warning, "The cluster has put this node out; it joins again in {Pause}")]
    public static partial void PutOut(this ILogger log, TimeSpan pause);

    [LoggerMessage(LogLevel.Information, "Draining: what this node holds is finished, or given back after {Drain}")]
    public static partial void Draining(this ILogger log, TimeSpan drain);

    [LoggerMessage(LogLevel.Warning, "The addresses of the cluster's members in {File} cannot be used: {Reason}")]
    public static partial void MembersUnusable(this ILogger log, string file, string reason);

    [LoggerMessage(LogLevel.Warning, "The addresses of the cluster's members cannot be kept in {File}: {Reason}")]
    public static partial void MembersNotKept(this ILogger log, string file, string reason);
}
