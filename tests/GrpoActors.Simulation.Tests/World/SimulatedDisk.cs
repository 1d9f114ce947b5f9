using GrpoActors.Formats.Files;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>
/// A file system that keeps, when the power fails, what was flushed and an arbitrary part of the rest: a file's bytes since its last flush are gone,
/// there, cut short or zero; a name made, moved or deleted since its folder's last flush is there or not, each for itself.
/// </summary>
internal sealed class SimulatedDisk : IDisk
{
    private const int NoSpace = 28;

    private Folder root = new();

    /// <summary>Called before each operation that changes something; may throw.</summary>
    public Action BeforeChange { get; set; } = () => { };

    public bool IsFull { get; set; }

    /// <summary>Called whenever something is refused because the disk is full.</summary>
    public Action Refused { get; set; } = () => { };

    /// <summary>What is flushed meanwhile does not outlive the next loss of power.</summary>
    public bool Lies { get; set; }

    /// <summary>Called whenever it says that it has flushed, and has not.</summary>
    public Action Lied { get; set; } = () => { };

    /// <summary>Called whenever a file is read of which <see cref="FlipBit"/> has turned a bit.</summary>
    public Action ReadFlipped { get; set; } = () => { };

    public bool FileExists(string path) => Find(path) is File;

    public bool FolderExists(string path) => Find(path) is Folder;

    public IReadOnlyList<string> List(string folder) =>
        Find(folder) is Folder found ? [.. found.Entries.Keys.Order(StringComparer.Ordinal).Select(name => Path.Combine(folder, name))] : [];

    public void CreateFolder(string path)
    {
        Change(needsSpace: true);
        Folder at = root;
        foreach (string name in Names(path))
        {
            if (!at.Entries.TryGetValue(name, out Node? next))
            {
                at.Entries[name] = next = new Folder();
            }

            at = (Folder)next;
        }
    }

    public Stream Create(string path)
    {
        Change(needsSpace: true);
        var file = new File();
        Parent(path).Entries[Path.GetFileName(path)] = file;
        return new Writing(this, file);
    }

    public Stream OpenReadWrite(string path) => throw new NotSupportedException();

    public Stream OpenRead(string path)
    {
        File file = Find(path) as File ?? throw new FileNotFoundException($"There is no {path}.");
        if (file.IsFlipped)
        {
            ReadFlipped();
        }

        return new MemoryStream(file.Content, writable: false);
    }

    public void Flush(Stream file)
    {
        Change(needsSpace: true);
        var writing = (Writing)file;
        writing.Save();
        if (Lies)
        {
            Lied();
            return;
        }

        writing.File.Flushed = writing.File.Content;
    }

    public void FlushFolder(string path)
    {
        Change(needsSpace: true);
        var folder = (Folder)(Find(path) ?? throw new DirectoryNotFoundException($"There is no {path}."));
        if (Lies)
        {
            Lied();
            return;
        }

        folder.Flushed = new(folder.Entries, StringComparer.Ordinal);
    }

    public void Rename(string from, string to)
    {
        Change(needsSpace: false);
        Node moved = Find(from) ?? throw new FileNotFoundException($"There is no {from}.");
        if (Find(to) is Folder)
        {
            throw new IOException($"{to} is in the way.");
        }

        Parent(from).Entries.Remove(Path.GetFileName(from));
        Parent(to).Entries[Path.GetFileName(to)] = moved;
    }

    public void DeleteFile(string path) => Delete(path);

    public void DeleteFolder(string path) => Delete(path);

    public void LosePower(Random random) => root = (Folder)After(root, random);

    /// <summary>Turns one bit of one file under the folder over.</summary>
    /// <returns>False where there is no file.</returns>
    public bool FlipBit(string folder, Random random)
    {
        File[] files = Find(folder) is Folder found ? [.. FilesOf(found).Where(file => file.Content.Length > 0)] : [];
        if (files.Length == 0)
        {
            return false;
        }

        File file = files[random.Next(files.Length)];
        byte[] content = [.. file.Content];
        content[random.Next(content.Length)] ^= (byte)(1 << random.Next(8));
        file.Content = file.Flushed = content;
        file.IsFlipped = true;
        return true;
    }

    private static IEnumerable<File> FilesOf(Folder folder) =>
        folder.Entries.OrderBy(entry => entry.Key, StringComparer.Ordinal).SelectMany(entry => entry.Value is File file ? [file] : FilesOf((Folder)entry.Value));

    private static Node After(Node node, Random random)
    {
        if (node is File file)
        {
            byte[] left = file.Content == file.Flushed ? file.Content : Torn(file, random);
            return new File { Content = left, Flushed = left, IsFlipped = file.IsFlipped };
        }

        var folder = (Folder)node;
        var entries = new SortedDictionary<string, Node>(StringComparer.Ordinal);
        foreach (string name in folder.Entries.Keys.Union(folder.Flushed.Keys).Order(StringComparer.Ordinal))
        {
            Node? now = folder.Entries.GetValueOrDefault(name), flushed = folder.Flushed.GetValueOrDefault(name);
            if ((now == flushed || random.Next(2) == 0 ? now : flushed) is { } survivor)
            {
                entries[name] = After(survivor, random);
            }
        }

        return new Folder { Entries = new(entries, StringComparer.Ordinal), Flushed = new(entries, StringComparer.Ordinal) };
    }

    private static byte[] Torn(File file, Random random)
    {
        byte[] written = file.Content;
        switch (random.Next(4))
        {
            case 0:
                return file.Flushed;
            case 1:
                return written[..random.Next(written.Length + 1)];
            case 2:
                byte[] holed = [.. written];
                holed.AsSpan(random.Next(written.Length + 1)).Clear();
                return holed;
            default:
                return written;
        }
    }

    private void Delete(string path)
    {
        Change(needsSpace: false);
        if (Find(path) is not null)
        {
            Parent(path).Entries.Remove(Path.GetFileName(path));
        }
    }

    private void Change(bool needsSpace)
    {
        BeforeChange();
        if (needsSpace)
        {
            RequireSpace();
        }
    }

    private void RequireSpace()
    {
        if (IsFull)
        {
            Refused();
            throw new IOException("No space left on device.", NoSpace);
        }
    }

    private Folder Parent(string path) => Find(Path.GetDirectoryName(path)!) as Folder ?? throw new DirectoryNotFoundException($"There is no folder for {path}.");

    private Node? Find(string path)
    {
        Node at = root;
        foreach (string name in Names(path))
        {
            if (at is not Folder folder || !folder.Entries.TryGetValue(name, out Node? next))
            {
                return null;
            }

            at = next;
        }

        return at;
    }

    /// <summary>With <c>a/../b</c> read as <c>b</c>.</summary>
    private static List<string> Names(string path)
    {
        var names = new List<string>();
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (name == "..")
            {
                names.RemoveAt(names.Count - 1);
            }
            else
            {
                names.Add(name);
            }
        }

        return names;
    }

    private abstract class Node;

    private sealed class File : Node
    {
        public byte[] Content { get; set; } = [];

        public byte[] Flushed { get; set; } = [];

        public bool IsFlipped { get; set; }
    }

    private sealed class Folder : Node
    {
        public SortedDictionary<string, Node> Entries { get; init; } = new(StringComparer.Ordinal);

        public SortedDictionary<string, Node> Flushed { get; set; } = new(StringComparer.Ordinal);
    }

    private sealed class Writing(SimulatedDisk disk, File file) : MemoryStream
    {
        private bool closed;

        public File File => file;

        public void Save()
        {
            byte[] written = ToArray();
            if (!written.AsSpan().SequenceEqual(file.Content))
            {
                file.Content = written;
            }
        }

        /// <summary>The base class brings spans here.</summary>
        public override void Write(byte[] buffer, int offset, int count)
        {
            disk.RequireSpace();
            base.Write(buffer, offset, count);
        }

        protected override void Dispose(bool disposing)
        {
            if (!closed)
            {
                closed = true;
                Save();
            }

            base.Dispose(disposing);
        }
    }
}
