namespace GrpoActors.Simulation.Tests.World;

/// <summary>Something happened that must never happen.</summary>
internal sealed class Violation(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The process is gone in the middle of what it was doing.</summary>
internal sealed class ProcessKilled : Exception;
