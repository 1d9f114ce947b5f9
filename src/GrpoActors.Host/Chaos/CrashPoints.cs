using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using GrpoActors.Core.Runs;
using GrpoActors.Host.Journal;
using GrpoActors.Host.RunFolders;

namespace GrpoActors.Host.Chaos;

/// <summary>
/// Named moments at which a process can be made to kill itself with SIGKILL: the k-th time that one is reached. Placed in decorators around the
/// effect runner, the mailbox, the journal and the disk; nothing in stages or kernels knows of them.
/// </summary>
/// <remarks>
/// <code>
/// effect TrainBatch        before an effect is handed to its worker;     effect TrainBatch done: after
/// post BatchTrained        before a worker's answer is in the mailbox;   post BatchTrained done: after
/// append StepCommitted     before the append that holds such an event;   appended StepCommitted: after it is durable
/// delete-records           before retired records are deleted;           delete-records done: after
/// create | flush | flush-folder | rename | delete ...   before the disk does it for a checkpoint;  "flush done" and so on: after
/// projection flush ...     the same for metrics, samples and TensorBoard
/// </code>
/// </remarks>
public sealed class CrashPoints
{
    /// <summary><c>append StepCommitted#3</c> kills before the third append that holds a committed step; <c>list</c> kills nowhere and counts.</summary>
    public const string Variable = "GRPO_CRASH_AT";

    /// <summary>Value of <see cref="Variable"/> with which the program ends by telling how often each point was reached, a line each: <c>crash point 12 append StepCommitted</c>.</summary>
    public const string List = "list";

    private const string CountLine = "crash point ";

    private readonly string? point;
    private readonly ConcurrentDictionary<string, long>? counts;
    private long left;

    private CrashPoints(string? point, long count, ConcurrentDictionary<string, long>? counts = null)
    {
        this.point = point;
        this.counts = counts;
        left = count;
    }

    public static CrashPoints None { get; } = new(null, 0);

    /// <exception cref="FormatException">The text is neither <c>point#count</c> nor <c>list</c>.</exception>
    public static CrashPoints Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return None;
        }

        if (text == List)
        {
            return new CrashPoints(null, 0, new ConcurrentDictionary<string, long>(StringComparer.Ordinal));
        }

        string[] parts = text.Split('#');
        return parts.Length == 2 && long.TryParse(parts[1], out long count) && count > 0
            ? new CrashPoints(parts[0], count)
            : throw new FormatException($"{Variable} is '{text}'; expected a point and a count such as 'append StepCommitted#3', or '{List}'.");
    }

    /// <summary>The lines of <see cref="List"/>, by name; nothing otherwise.</summary>
    public void WriteCounts(TextWriter to)
    {
        foreach (var (name, count) in (counts ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{CountLine}{count} {name}"));
        }
    }

    /// <summary>Reads what <see cref="WriteCounts"/> wrote; other lines are passed over.</summary>
    public static IReadOnlyDictionary<string, long> ReadCounts(string text)
    {
        var read = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n').Where(line => line.StartsWith(CountLine, StringComparison.Ordinal)))
        {
            string[] parts = line[CountLine.Length..].TrimEnd('\r').Split(' ', 2);
            read[parts[1]] = long.Parse(parts[0], CultureInfo.InvariantCulture);
        }

        return read;
    }

    public void Reach(string name)
    {
        counts?.AddOrUpdate(name, 1, static (_, count) => count + 1);
        if (point == name && Interlocked.Decrement(ref left) == 0)
        {
            using Process self = Process.GetCurrentProcess();
            self.Kill(); // SIGKILL
            Thread.Sleep(Timeout.Infinite);
        }
    }

    internal Action<Command> Around(Action<Command> post) => this == None ? post : command =>
    {
        string name = $"post {command.GetType().Name}";
        Between(name, () => post(command));
    };

    internal Action<Effect> Around(Action<Effect> run) => this == None ? run : effect =>
    {
        string name = $"effect {effect.GetType().Name}";
        Between(name, () => run(effect));
    };

    public IJournalProvider Around(IJournalProvider journals) => this == None ? journals : new CrashingJournals(journals, this);

    /// <param name="whose">Stands before the names of this disk's points.</param>
    public IDisk Around(IDisk disk, string whose = "") => this == None ? disk : new CrashingDisk(disk, this, whose.Length == 0 ? "" : whose + " ");

    internal void Between(string name, Action act)
    {
        Reach(name);
        act();
        Reach(name + " done");
    }
}
