using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.Tests.Checkpoints;

/// <summary>The real disk, which writes down what it is asked to change and fails at the operation of a given number, and at every one after it.</summary>
internal sealed class FaultyDisk(int failAt = int.MaxValue, IOException? failure = null) : IDisk
{
    private readonly PhysicalDisk disk = PhysicalDisk.Instance;

    public List<string> Changes { get; } = [];

    public bool FileExists(string path) => disk.FileExists(path);

    public bool FolderExists(string path) => disk.FolderExists(path);

    public IReadOnlyList<string> List(string folder) => disk.List(folder);

    public Stream OpenRead(string path) => disk.OpenRead(path);

    public void CreateFolder(string path)
    {
        Change("create folder", path);
        disk.CreateFolder(path);
    }

    public Stream Create(string path)
    {
        Change("create", path);
        return disk.Create(path);
    }

    public Stream OpenReadWrite(string path)
    {
        Change("open", path);
        return disk.OpenReadWrite(path);
    }

    public void Flush(Stream file)
    {
        Change("flush", ((FileStream)file).Name);
        disk.Flush(file);
    }

    public void FlushFolder(string path)
    {
        Change("flush folder", path);
        disk.FlushFolder(path);
    }

    public void Rename(string from, string to)
    {
        Change("rename", to);
        disk.Rename(from, to);
    }

    public void DeleteFile(string path)
    {
        Change("delete", path);
        disk.DeleteFile(path);
    }

    public void DeleteFolder(string path)
    {
        Change("delete folder", path);
        disk.DeleteFolder(path);
    }

    private void Change(string what, string path)
    {
        if (Changes.Count >= failAt)
        {
            throw failure ?? new IOException("the process is dead");
        }

        Changes.Add($"{what} {Path.GetFileName(path)}");
    }
}
