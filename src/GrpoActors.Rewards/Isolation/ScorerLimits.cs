namespace GrpoActors.Rewards.Isolation;

/// <summary>What a scorer's process may use. A limit that is passed ends the call, never the run.</summary>
/// <param name="MemoryBytes">Address space of each process.</param>
/// <param name="CpuSeconds">CPU time of each process over its life.</param>
/// <param name="Processes">Processes and threads together, where the sandbox counts them.</param>
/// <param name="OutputBytes">Longest line of an answer.</param>
/// <param name="FileBytes">Longest file that it may write.</param>
public sealed record ScorerLimits(long MemoryBytes, long CpuSeconds, long Processes, int OutputBytes, long FileBytes);
