using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.Chaos;

/// <summary>
/// Named moments at which a process can be made to kill itself with SIGKILL: the k-th time that one is reached. Placed where messages pass between the run's actor and its workers, around
/// appends and around the disk; nothing in stages or kernels knows of them.
/// </summary>
/// <remarks>
/// <code>
/// run begins               the run's actor starts here;                  run leaves: it stops
/// effect TrainBatch        before an effect is handed to its stage;      effect TrainBatch done: after
/// order TrainBatch         before a trainer with the lease begins with it
/// post BatchTrained        before what a worker brought about is sent;   post BatchTrained done: after
/// report BatchTrained      before a trainer tells the run of it;         report BatchTrained done: after
/// hear BatchTrained        before the run decides on it;                 hear BatchTrained done: after
/// grant lease              before a trainer is told that it has it;      grant lease done: after
/// append StepCommitted     before the append that holds such an event;   appended StepCommitted: after it is durable
/// delete-records           before retired records are deleted;           delete-records done: after
/// create | flush | flush-folder | rename | delete ...   before the disk does it for a checkpoint;  "flush done" and so on: after
/// projection create-folder ...   the same for metrics, samples and TensorBoard
/// </code>
/// </remarks>
public sealed class CrashPoints
{
    /// <summary>
    /// <c>append StepCommitted#3</c> kills before the third append that holds a committed step; <c>rename#1|flush#9</c> at whichever is reached first;
    /// <c>progress:rename#1</c> begins to count when this process has made something durable; <c>list</c> kills nowhere and counts.
    /// </summary>
    public const string Variable = "GRPO_CRASH_AT";

    /// <summary>Value of <see cref="Variable"/> with which the program ends by telling how often each point was reached, and how often after the first append: <c>crash point 12 11 append StepCommitted</c>.</summary>
    public const string List = "list";

    private const string AfterProgress = "progress:";
    private const string CountLine = "crash point ";
    private const string KillLine = "killed at crash point ";

    private readonly Dictionary<string, Counter> armed;
    private readonly ConcurrentDictionary<string, ReachCount>? counts;
    private readonly bool waits;
    private readonly bool watches;
    private readonly Action<string> act;
    private volatile bool progressed;

    private CrashPoints(Dictionary<string, Counter> armed, bool waits, Action<string> act, ConcurrentDictionary<string, ReachCount>? counts = null, bool watches = false) =>
        (this.armed, this.waits, this.act, this.counts, this.watches) = (armed, waits, act, counts, watches);

    public static CrashPoints None { get; } = new([], false, static _ => { });

    /// <exception cref="FormatException">The text is none of the forms of <see cref="Variable"/>.</exception>
    public static CrashPoints Parse(string? text) => Parse(text, Kill);

    /// <summary>Told of every point that is reached, on the thread that reaches it; for measurements.</summary>
    public static CrashPoints Watching(Action<string> reached) => new([], false, reached, watches: true);

    /// <summary>Something else than death: <paramref name="act"/> is called, on the thread that reaches one of the points, with its name.</summary>
    internal static CrashPoints Parse(string? text, Action<string> act)
    {
        if (string.IsNullOrEmpty(text))
        {
            return None;
        }

        if (text == List)
        {
            return new CrashPoints([], false, act, new ConcurrentDictionary<string, ReachCount>(StringComparer.Ordinal));
        }

        bool waits = text.StartsWith(AfterProgress, StringComparison.Ordinal);
        var armed = new Dictionary<string, Counter>(StringComparer.Ordinal);
        foreach (string one in text[(waits ? AfterProgress.Length : 0)..].Split('|'))
        {
            string[] parts = one.Split('#');
            if (parts.Length != 2 || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long count) || count < 1 || !armed.TryAdd(parts[0], new Counter(count)))
            {
                throw new FormatException($"{Variable} is '{text}'; expected points and counts such as 'append StepCommitted#3' or 'rename#1|flush#2', each point once, or '{List}'.");
            }
        }

        return new CrashPoints(armed, waits, act);
    }

    /// <summary>The value of <see cref="Variable"/> that <see cref="Parse(string?)"/> takes for these points.</summary>
    public static string Text(IEnumerable<ChaosFault.AtPoint> points, bool afterProgress) => (afterProgress ? AfterProgress : "") + string.Join('|', points);

    /// <summary>The lines of <see cref="List"/>, by name; nothing otherwise.</summary>
    public void WriteCounts(TextWriter to)
    {
        foreach (var (name, count) in (counts ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{CountLine}{count.All} {count.AfterProgress} {name}"));
        }
    }

    /// <summary>Reads what <see cref="WriteCounts"/> wrote; other lines are passed over.</summary>
    public static IReadOnlyDictionary<string, ReachCount> ReadCounts(string text)
    {
        var read = new SortedDictionary<string, ReachCount>(StringComparer.Ordinal);
        foreach (string line in Lines(text, CountLine))
        {
            string[] parts = line.Split(' ', 3);
            read[parts[2]] = new ReachCount(long.Parse(parts[0], CultureInfo.InvariantCulture), long.Parse(parts[1], CultureInfo.InvariantCulture));
        }

        return read;
    }

    /// <summary>The point at which the process that said <paramref name="text"/> killed itself; null if it did not.</summary>
    public static string? ReadKill(string text) => Lines(text, KillLine).LastOrDefault();

    public void Reach(string name)
    {
        counts?.AddOrUpdate(name, _ => new ReachCount(1, progressed ? 1 : 0), (_, count) => new ReachCount(count.All + 1, count.AfterProgress + (progressed ? 1 : 0)));
        if (watches || ((!waits || progressed) && armed.TryGetValue(name, out Counter? counter) && counter.IsNow()))
        {
            act(name);
        }
    }

    /// <summary>This process has made something durable.</summary>
    internal void Progressed() => progressed = true;

    /// <param name="whose">Stands before the names of this disk's points.</param>
    public IDisk Around(IDisk disk, string whose = "") => this == None ? disk : new CrashingDisk(disk, this, whose.Length == 0 ? "" : whose + " ");

    /// <param name="moment">For example <c>post</c>.</param>
    /// <param name="what">What is passed on: the kind of command or effect.</param>
    internal void Between(string moment, string what, Action pass)
    {
        if (this == None)
        {
            pass();
        }
        else
        {
            Between($"{moment} {what}", pass);
        }
    }

    internal void Between(string name, Action act)
    {
        Reach(name);
        act();
        Reach(name + " done");
    }

    private static void Kill(string name)
    {
        lock (None) // the first one has the word
        {
            Console.Error.WriteLine(KillLine + name);
            using Process self = Process.GetCurrentProcess();
            self.Kill(); // SIGKILL
            Thread.Sleep(Timeout.Infinite);
        }
    }

    private static IEnumerable<string> Lines(string text, string beginning) =>
        text.Split('\n').Where(line => line.StartsWith(beginning, StringComparison.Ordinal)).Select(line => line[beginning.Length..].TrimEnd('\r'));

    private sealed class Counter(long count)
    {
        private long left = count;

        public bool IsNow() => Interlocked.Decrement(ref left) == 0;
    }
}

/// <param name="All">How often a process reached a point.</param>
/// <param name="AfterProgress">Of these, after its first append was durable.</param>
public readonly record struct ReachCount(long All, long AfterProgress);
