using Microsoft.Win32.SafeHandles;

namespace GrpoActors.Formats;

/// <summary>A file, perhaps at the end of a link: the cache of a model hub consists of links.</summary>
internal static class LinkedFile
{
    /// <summary>Of the file itself; <see cref="FileInfo.Length"/> is that of the link.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static long LengthBytes(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path);
        return RandomAccess.GetLength(file);
    }
}
