using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;

namespace GrpoActors.Runtime.Chaos;

/// <summary>Cuts the end off files of a run that no process works on.</summary>
internal static class TornWrites
{
    /// <param name="journal">The journal's file.</param>
    /// <returns>False: there was nothing to cut.</returns>
    public static bool Apply(string runFolder, string journal, ChaosFault.Torn torn) => torn.File == TornFile.Journal
        ? Cut(journal + "-wal", torn.Kept)
        : NewestCheckpoint(Path.Combine(runFolder, "checkpoints")) is { } checkpoint && Cut(FileIn(checkpoint, torn.Kept), torn.Kept);

    private static string? NewestCheckpoint(string folder)
    {
        var store = new CheckpointStore(PhysicalDisk.Instance, folder);
        return store.Steps() is [var newest, ..] ? Path.Combine(folder, CheckpointStore.NameOf(newest)) : null;
    }

    private static string FileIn(string checkpoint, double which)
    {
        IReadOnlyList<string> files = PhysicalDisk.Instance.List(checkpoint);
        return files[(int)(which * 1000) % files.Count];
    }

    private static bool Cut(string path, double kept)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        long length = (long)(kept * file.Length);
        bool shorter = length < file.Length;
        file.SetLength(length);
        return shorter;
    }
}
