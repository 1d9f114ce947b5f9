using System.Globalization;
using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.RunFolders;

/// <summary>
/// Where a run lives, held by one process at a time:
/// <c>plan.json journal.db metrics.jsonl samples.jsonl tb/ checkpoints/ report.html export/</c>.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private const string LockName = "run.lock";
    private const string HolderName = "run.pid"; // apart, because a locked file cannot be read
    private const int LockedOnLinux = 11; // EWOULDBLOCK
    private const int LockedOnMac = 35;
    private const int LockedOnWindows = unchecked((int)0x80070020);

    private readonly FileStream held;

    private RunFolder(string path, FileStream held)
    {
        Path = path;
        this.held = held;
    }

    /// <summary>Full path.</summary>
    public string Path { get; }

    public string Plan => In("plan.json");

    public string Journal => In("journal.db");

    public string Metrics => In("metrics.jsonl");

    public string Samples => In("samples.jsonl");

    public string TensorBoard => In("tb");

    public string Checkpoints => In("checkpoints");

    public string Report => In("report.html");

    public string Export => In("export");

    /// <summary>Creates the folder if need be and takes its lock, which the operating system gives back however this process ends.</summary>
    /// <param name="fresh">Set an old folder of this name aside first, as <c>name.1</c>, <c>name.2</c>, ...</param>
    /// <exception cref="RunFolderInUseException">Another process holds it.</exception>
    /// <exception cref="StorageException">It cannot be created or written.</exception>
    public static RunFolder Open(string path, bool fresh = false)
    {
        string full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        try
        {
            if (fresh && Directory.Exists(full))
            {
                SetAside(full);
            }

            Directory.CreateDirectory(full);
            return new RunFolder(full, Lock(full));
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("open the run folder", full, e);
        }
    }

    public void Dispose() => held.Dispose();

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private static void SetAside(string full)
    {
        FileStream taken = Lock(full); // nobody else may be at work in there
        try
        {
            if (OperatingSystem.IsWindows())
            {
                taken.Dispose(); // a folder with an open file cannot be renamed there
            }

            int number = 1;
            while (Directory.Exists($"{full}.{number}") || File.Exists($"{full}.{number}"))
            {
                number++;
            }

            Directory.Move(full, $"{full}.{number}");
        }
        finally
        {
            taken.Dispose();
        }
    }

    private static FileStream Lock(string folder)
    {
        string path = System.IO.Path.Combine(folder, LockName);
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is LockedOnLinux or LockedOnMac or LockedOnWindows)
        {
            throw new RunFolderInUseException(folder, Holder(folder), e);
        }

        try
        {
            File.WriteAllText(System.IO.Path.Combine(folder, HolderName), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static string Holder(string folder)
    {
        try
        {
            string text = File.ReadAllText(System.IO.Path.Combine(folder, HolderName));
            return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? $"process {id}" : "another process";
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            return "another process";
        }
    }
}

/// <summary>Another process works in the run folder.</summary>
public sealed class RunFolderInUseException(string folder, string holder, Exception cause)
    : StorageException($"The run folder {folder} is in use by {holder}: wait until it ends, stop it, or choose another folder with --run-dir.", cause);
