namespace GrpoActors.Formats.Files;

/// <summary>
/// Disk, database or another process stands in the way: an outside failure. The message is one sentence for the person at the terminal (what failed,
/// where, what to do); the run's durable state is intact and the same command goes on once the cause is gone.
/// </summary>
public class StorageException : Exception
{
    public StorageException(string message)
        : base(message)
    {
    }

    public StorageException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
