namespace GrpoActors.Cluster.Commands;

/// <summary>As those of <c>grpo</c>.</summary>
internal static class ExitCodes
{
    public const int Done = 0, Failure = 1, Mistake = 2, Interrupted = 130, Terminated = 143;
}
