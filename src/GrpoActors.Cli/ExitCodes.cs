namespace GrpoActors.Cli;

internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>Something outside stood in the way, or an audit found something.</summary>
    public const int Failure = 1;

    /// <summary>The user's mistake: run file, option, or a file that they name.</summary>
    public const int Mistake = 2;

    public const int Interrupted = 130;
    public const int Terminated = 143;
}
