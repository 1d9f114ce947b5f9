namespace GrpoActors.Formats.Files;

/// <summary>Tells a failed file operation in one sentence.</summary>
public static class DiskFailure
{
    private const int NoSpaceOnUnix = 28;      // ENOSPC
    private const int QuotaOnLinux = 122;      // EDQUOT
    private const int ReadOnlyOnUnix = 30;     // EROFS
    private const int NoSpaceOnWindows = unchecked((int)0x80070070);
    private const int BusyOnWindows = unchecked((int)0x80070020);

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
            UnauthorizedAccessException => "this user may not write there; allow it, or choose another run folder",
            IOException full when IsFull(full) => "the disk is full; free some space and start the same command again",
            IOException { HResult: QuotaOnLinux } => "the disk quota is used up; free some space and start the same command again",
            IOException { HResult: ReadOnlyOnUnix } => "the file system is read-only; remount it, or choose another run folder",
            { } large when IsTooLarge(large) => "a file has reached the size that this process or file system allows; raise the limit (ulimit -f) and start the same command again",
            _ => Reason(cause),
        };
        return new StorageException($"Could not {doing} at {path}: {why}.", cause);
    }

    /// <summary>Of a file whose name only the failure knows.</summary>
    public static string Sentence(Exception cause) =>
        cause is FileNotFoundException { FileName: { } file } ? cause.Message.StartsWith(file, StringComparison.Ordinal) ? cause.Message : $"{file}: {Reason(cause)}."
        : cause.Message.Split('\'') is [_, var path, ..] ? $"{path}: {Reason(cause)}."
        : $"A file cannot be used: {Reason(cause)}.";

    /// <summary>Why a file cannot be read or written, to be read behind its name: "there is no such file".</summary>
    public static string Reason(Exception cause) => cause switch
    {
        FileNotFoundException => "there is no such file",
        DirectoryNotFoundException => "there is no such folder",
        UnauthorizedAccessException => "it is a folder, or this user may not use it",
        PathTooLongException => "its name is too long",
        EndOfStreamException => "it ends too early",
        IOException { HResult: BusyOnWindows } => "another process uses it",
        _ when cause.Message.Contains("being used by another process", StringComparison.Ordinal) => "another process uses it",
        _ when cause.Message.Contains("Is a directory", StringComparison.Ordinal) => "it is a folder",
        _ => cause.Message.Split(" : '")[0].ReplaceLineEndings(" ").TrimEnd('.'), // the operating system's own words, such as "Input/output error"
    };
}
