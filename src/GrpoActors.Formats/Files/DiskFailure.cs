namespace GrpoActors.Formats.Files;

/// <summary>Tells a failed file operation in one sentence.</summary>
public static class DiskFailure
{
    private const int NoSpaceOnUnix = 28;      // ENOSPC
    private const int QuotaOnLinux = 122;      // EDQUOT
    private const int ReadOnlyOnUnix = 30;     // EROFS
    private const int NoSpaceOnWindows = unchecked((int)0x80070070);

    /// <summary>True for the exceptions that <see cref="IDisk"/> throws.</summary>
    public static bool Is(Exception e) => e is IOException or UnauthorizedAccessException || IsTooLarge(e);

    /// <summary>EFBIG, a file beyond the process's limit (ulimit -f) or the file system's: the runtime calls it an argument that is out of range.</summary>
    private static bool IsTooLarge(Exception e) => e is ArgumentOutOfRangeException { ParamName: "value" } && e.Message.Contains("file length was too large", StringComparison.Ordinal);

    private static bool IsFull(IOException e) =>
        e.HResult is NoSpaceOnUnix or NoSpaceOnWindows || e.Message.Contains("disk was full", StringComparison.Ordinal); // .NET's own pre-allocation gives no code

    /// <param name="doing">For example "write the checkpoint of step 200".</param>
    public static StorageException Sentence(string doing, string path, Exception cause)
    {
        string why = cause switch
        {
            UnauthorizedAccessException => $"this user may not write there; allow it, or choose another run folder ({cause.Message.TrimEnd('.')})",
            IOException full when IsFull(full) => "the disk is full; free some space and start the same command again",
            IOException { HResult: QuotaOnLinux } => "the disk quota is used up; free some space and start the same command again",
            IOException { HResult: ReadOnlyOnUnix } => "the file system is read-only; remount it, or choose another run folder",
            { } large when IsTooLarge(large) => "a file has reached the size that this process or file system allows; raise the limit (ulimit -f) and start the same command again",
            _ => cause.Message.TrimEnd('.'),
        };
        return new StorageException($"Could not {doing} at {path}: {why}.", cause);
    }
}
