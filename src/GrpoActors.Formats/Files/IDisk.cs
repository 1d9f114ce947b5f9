namespace GrpoActors.Formats.Files;

/// <summary>
/// Every file operation whose order a crash can observe. The real one is <see cref="PhysicalDisk"/>; a simulated disk that drops what was not flushed,
/// and named crash points, stand behind the same face.
/// </summary>
/// <remarks>Failures are <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/>, as the runtime's own; <see cref="DiskFailure"/> turns them into a sentence.</remarks>
public interface IDisk
{
    bool FileExists(string path);

    bool FolderExists(string path);

    /// <summary>Full paths of the files and folders directly inside; empty where the folder is absent. Ordinal order.</summary>
    IReadOnlyList<string> List(string folder);

    /// <summary>Creates the folder and whatever is missing above it.</summary>
    void CreateFolder(string path);

    /// <summary>A new, empty file; an old one of this name is replaced.</summary>
    Stream Create(string path);

    /// <summary>An existing file for reading, writing and cutting, or a new one.</summary>
    Stream OpenReadWrite(string path);

    /// <summary>Others may read and write it at the same time.</summary>
    Stream OpenRead(string path);

    /// <summary>When it returns, what was written to this file survives the loss of power.</summary>
    void Flush(Stream file);

    /// <summary>When it returns, creations, renames and deletions directly inside this folder survive the loss of power.</summary>
    void FlushFolder(string path);

    /// <summary>A file or a folder, within one file system; atomic. The target must not exist, unless both are files: then it is replaced.</summary>
    void Rename(string from, string to);

    /// <summary>Nothing happens where it is absent.</summary>
    void DeleteFile(string path);

    /// <summary>With all that it holds; nothing happens where it is absent.</summary>
    void DeleteFolder(string path);
}
