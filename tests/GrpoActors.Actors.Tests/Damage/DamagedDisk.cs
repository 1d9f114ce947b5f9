using GrpoActors.Formats.Files;

namespace GrpoActors.Actors.Tests.Damage;

/// <summary>The real disk, read only, with other bytes in one of its files.</summary>
internal sealed class DamagedDisk(string damaged, byte[] bytes) : IDisk
{
    public bool FileExists(string path) => PhysicalDisk.Instance.FileExists(path);

    public bool FolderExists(string path) => PhysicalDisk.Instance.FolderExists(path);

    public IReadOnlyList<string> List(string folder) => PhysicalDisk.Instance.List(folder);

    public Stream OpenRead(string path) => Path.GetFullPath(path) == damaged ? new MemoryStream(bytes, writable: false) : PhysicalDisk.Instance.OpenRead(path);

    public void CreateFolder(string path) => throw new NotSupportedException();

    public Stream Create(string path) => throw new NotSupportedException();

    public Stream OpenReadWrite(string path) => throw new NotSupportedException();

    public void Flush(Stream file) => throw new NotSupportedException();

    public void FlushFolder(string path) => throw new NotSupportedException();

    public void Rename(string from, string to) => throw new NotSupportedException();

    public void DeleteFile(string path) => throw new NotSupportedException();

    public void DeleteFolder(string path) => throw new NotSupportedException();
}
