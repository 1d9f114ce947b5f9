namespace GrpoActors.Host;

/// <summary>The run stopped with its state intact; the message says in one sentence why. Starting it again goes on.</summary>
public class RunFailedException : Exception
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

/// <summary>A worker, or several, gave no answer however often they were asked. They may still stand where they stood: the run does not wait for them for ever.</summary>
internal sealed class SilentRunException(string message) : RunFailedException(message);
