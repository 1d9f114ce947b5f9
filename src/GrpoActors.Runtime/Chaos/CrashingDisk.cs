using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.Chaos;

/// <summary>A disk with a crash point before and after each operation that changes it.</summary>
internal sealed class CrashingDisk(IDisk disk, CrashPoints points, string whose) : IDisk
{
    public bool FileExists(string path) => disk.FileExists(path);

    public bool FolderExists(string path) => disk.FolderExists(path);

    public IReadOnlyList<string> List(string folder) => disk.List(folder);

    public Stream OpenReadWrite(string path) => disk.OpenReadWrite(path);

    public Stream OpenRead(string path) => disk.OpenRead(path);

    public void CreateFolder(string path) => Between("create-folder", () => disk.CreateFolder(path));

    public Stream Create(string path)
    {
        points.Reach(whose + "create");
        Stream created = disk.Create(path);
        points.Reach(whose + "create done");
        return created;
    }

    public void Flush(Stream file) => Between("flush", () => disk.Flush(file));

    public void FlushFolder(string path) => Between("flush-folder", () => disk.FlushFolder(path));

    public void Rename(string from, string to) => Between("rename", () => disk.Rename(from, to));

    public void DeleteFile(string path) => Between("delete", () => disk.DeleteFile(path));

    public void DeleteFolder(string path) => Between("delete-folder", () => disk.DeleteFolder(path));

    private void Between(string operation, Action act) => points.Between(whose + operation, act);
}
