namespace GrpoActors.Runtime.Workers;

/// <summary>The run stopped with its state intact; the message says in one sentence why. Starting it again goes on.</summary>
public sealed class RunFailedException : Exception
{
    public RunFailedException(string message)
        : base(message)
    {
    }

    public RunFailedException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
