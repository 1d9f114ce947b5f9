using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Audit;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Runtime.Chaos;

/// <summary>
/// Trains a run file undisturbed, then again and again with processes that are killed, frozen and refused the disk on the way, until every planned fault has happened; each such run
/// must end with the same hashes and a clean audit.
/// </summary>
public sealed class ChaosTrial
{
    private const int MistakeExitCode = 2;
    private const int FruitlessRunsMax = 30; // in a row

    private readonly ChaosSettings _settings;
    private readonly Action<string> _say;
    private readonly CancellationToken _stop;
    private readonly ConcurrentDictionary<string, int> _happened = new(StringComparer.Ordinal), _withoutProgress = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _findings = [];
    private readonly Random _random;
    private Pace _pace = new(TimeSpan.Zero);
    private string _journal = ""; // as the run file sets it
    private OpenFaults _open = new([], new Dictionary<string, ReachCount>(), 0);
    private Dictionary<string, int> _planned = [];
    private string _hashes = "";
    private int _starts;
    private int _runs;
    private int _fruitless;

    private ChaosTrial(ChaosSettings settings, Action<string> say, CancellationToken stop) => (_settings, _say, _stop, _random) = (settings, say, stop, new Random(settings.Seed));

    /// <param name="say">Told one line at a time how it goes.</param>
    /// <exception cref="StorageException">The undisturbed run does not end.</exception>
    public static Task<ChaosReport> Run(ChaosSettings settings, Action<string> say, CancellationToken stop) => new ChaosTrial(settings, say, stop).Run();

    private async Task<ChaosReport> Run()
    {
        UndisturbedRun undisturbed = await Undisturbed();
        ImmutableArray<ChaosFault> all = ChaosPlan.Of(undisturbed, _settings.Numbers, _settings.Seed), plan = [.. all.Where(fault => Unavailable(fault) is null)];
        _planned = plan.GroupBy(fault => fault.Name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        _open = new OpenFaults(plan, undisturbed.Reached, _settings.Seed);
        await Task.WhenAll(Enumerable.Range(0, _settings.Jobs).Select(_ => Task.Run(Job, CancellationToken.None)));
        ImmutableArray<ChaosCount> counts = [.. _planned.OrderBy(fault => fault.Key, StringComparer.Ordinal).Select(fault => new ChaosCount(
            fault.Key, undisturbed.Reached.GetValueOrDefault(fault.Key).All, fault.Value, _happened.GetValueOrDefault(fault.Key), _withoutProgress.GetValueOrDefault(fault.Key)))];
        return new ChaosReport(
            _hashes, _starts, _runs, counts,
            [.. all.Except(plan).DistinctBy(fault => fault.Name).Select(fault => $"{fault.Name}: {Unavailable(fault)}")],
            [.. _findings, .. counts.Where(count => count.Happened < count.Planned).Select(count => $"{count.Name}: {count.Happened} faults happened of {count.Planned} planned.")]);
    }

    private async Task<UndisturbedRun> Undisturbed()
    {
        string folder = Path.Combine(_settings.Folder, "undisturbed");
        ChaosEnd end = (await Start(folder, null, first: true, CrashPoints.List)).End;
        if (end.ExitCode == MistakeExitCode)
        {
            throw new ChaosMistakeException(end.Error.Trim());
        }

        if (end.ExitCode != 0)
        {
            throw new StorageException($"The undisturbed run ended with exit code {end.ExitCode}, so there is nothing to compare with: {end.LastLine}");
        }

        _hashes = Hashes(end.Output);
        _pace = new Pace(end.Lived);
        _journal = RecordedRun.Open(folder).Plan.Operation.Journal ?? "";
        IReadOnlyDictionary<string, ReachCount> reached = CrashPoints.ReadCounts(end.Error);
        long steps = RecordedRun.Open(folder).Audit().Counts.Steps;
        _say($"undisturbed: {steps} steps in {end.Lived.TotalSeconds:0.0} s, {reached.Count} crash points; {_hashes}");
        return new UndisturbedRun(reached, steps, new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Max(file => file.Length));
    }

    /// <summary>One run after the other, until there is no fault left or something was found.</summary>
    private async Task Job()
    {
        while (_open.Any() && _findings.IsEmpty && Volatile.Read(ref _fruitless) < FruitlessRunsMax)
        {
            string folder = Path.Combine(_settings.Folder, $"disturbed-{Interlocked.Increment(ref _runs)}");
            int before = Done();
            try
            {
                await Disturb(folder);
            }
            catch (TimeoutException hung)
            {
                _findings.Enqueue(hung.Message);
            }

            int now = Done();
            _ = now > before ? Interlocked.Exchange(ref _fruitless, 0) : Interlocked.Increment(ref _fruitless);
            if (_findings.IsEmpty)
            {
                Delete(folder);
                _say($"{Path.GetFileName(folder)}: same hashes; {now} of {_planned.Values.Sum()} faults");
            }
        }
    }

    /// <summary>Of the planned faults.</summary>
    private int Done() => _planned.Sum(fault => Math.Min(fault.Value, _happened.GetValueOrDefault(fault.Key)));

    /// <summary>One run: its processes are disturbed until one of them comes to the end.</summary>
    private async Task Disturb(string folder)
    {
        long durable = 0;
        for (bool first = true; ; first = false)
        {
            (ChaosFault? other, ImmutableArray<ChaosFault.AtPoint> points) = _open.Next(first);
            if (other is ChaosFault.Torn torn)
            {
                Tear(folder, torn);
                durable = Records(folder);
                (other, points) = (null, []);
            }

            bool early = first && points.Length == 1; // before a first append: nobody is there yet to have made progress
            (ChaosEnd end, bool disturbed) = await Start(folder, other, first, points.IsEmpty ? "" : CrashPoints.Text(points, afterProgress: !early));
            long now = Records(folder);
            Count(other, end, disturbed, progress: early || now > durable);
            durable = now;
            if (end.ExitCode == 0)
            {
                if (first && other is null)
                {
                    _pace.Measured(end.Lived);
                }

                Compare(folder, end);
                return;
            }

            if (!end.Killed && other is not (ChaosFault.Quota or ChaosFault.ReadOnly))
            {
                _findings.Enqueue($"A process in {folder} ended with exit code {end.ExitCode}{(other is null ? "" : $" under {other}")}: {end.LastLine}");
                return;
            }
        }
    }

    private void Count(ChaosFault? other, ChaosEnd end, bool disturbed, bool progress)
    {
        if (CrashPoints.ReadKill(end.Error) is { } point && end.Killed)
        {
            Add(progress ? _happened : _withoutProgress, point);
            if (progress)
            {
                _open.Happened(point);
            }

            return;
        }

        switch (other)
        {
            case null or ChaosFault.Torn:
                break;
            case ChaosFault.Kill x when disturbed && !progress:
                Add(_withoutProgress, x.Name);
                _pace.CameTooEarly();
                _open.Again(new ChaosFault.Kill(Moment()));
                break;
            case ChaosFault.Quota or ChaosFault.ReadOnly when end.ExitCode != 0:
                Add(_happened, other.Name);
                if (end.ExitCode != 1 || !end.LastLine.StartsWith("grpo: ", StringComparison.Ordinal) || end.LastLine.Contains("unexpected", StringComparison.Ordinal))
                {
                    _findings.Enqueue($"Under {other} a process ended with exit code {end.ExitCode} and no sentence that says why: {end.LastLine}");
                }

                break;
            case ChaosFault.Kill or ChaosFault.Freeze when disturbed:
                Add(_happened, other.Name);
                break;
            default:
                _open.Again(Anew(other));
                break;
        }
    }

    private void Tear(string folder, ChaosFault.Torn torn)
    {
        if (TornWrites.Apply(folder, JournalOf(folder), torn))
        {
            Add(_happened, torn.Name);
        }
        else
        {
            _open.Again(torn with { Kept = torn.Kept / 2 });
        }
    }

    /// <summary>The run had come to its end before it happened.</summary>
    private ChaosFault Anew(ChaosFault fault)
    {
        switch (fault)
        {
            case ChaosFault.Kill:
                _pace.CameTooLate();
                return new ChaosFault.Kill(Moment());
            case ChaosFault.Freeze freeze:
                _pace.CameTooLate();
                return freeze with { Moment = Moment() };
            case ChaosFault.Quota quota:
                return new ChaosFault.Quota(Math.Max(1, quota.Kibibytes / 2));
            default:
                return fault;
        }
    }

    private double Moment()
    {
        lock (_random)
        {
            return _random.NextDouble();
        }
    }

    private string? Unavailable(ChaosFault fault) => fault is ChaosFault.Torn { File: TornFile.Journal } && IsInDatabase
        ? "the journal lies in a database, whose files are not the run's"
        : ChaosProcess.Unavailable(fault);

    private bool IsInDatabase => _journal.Contains('=', StringComparison.Ordinal);

    /// <summary>A journal of its own file, outside of run folders: each run needs one of its own, and finds it beside its folder.</summary>
    private bool IsElsewhere => _journal.Length > 0 && !IsInDatabase;

    private string JournalOf(string folder) => IsElsewhere ? folder + ".db" : Path.Combine(folder, "journal.db");

    private void Delete(string folder)
    {
        Directory.Delete(folder, recursive: true);
        foreach (string file in IsElsewhere ? Directory.GetFiles(_settings.Folder, Path.GetFileName(folder) + ".db*") : [])
        {
            File.Delete(file);
        }
    }

    private static void Add(ConcurrentDictionary<string, int> counts, string name) => counts.AddOrUpdate(name, 1, static (_, count) => count + 1);

    private static long Records(string folder)
    {
        try
        {
            return RecordedRun.Open(folder).Records();
        }
        catch (StorageException)
        {
            return 0; // its first process was killed before it had written a plan or begun the journal
        }
    }

    private void Compare(string folder, ChaosEnd end)
    {
        string hashes = Hashes(end.Output);
        if (hashes != _hashes)
        {
            _findings.Enqueue($"The run in {folder} ended with {hashes}, the undisturbed one with {_hashes}.");
        }

        foreach (AuditFinding finding in RecordedRun.Open(folder).Audit().Findings)
        {
            _findings.Enqueue($"Audit of {folder}: {finding.Kind} at record {finding.Position}: {finding.Sentence}");
        }
    }

    private Task<(ChaosEnd End, bool Disturbed)> Start(string folder, ChaosFault? fault, bool first, string crashAt)
    {
        Interlocked.Increment(ref _starts);
        string[] journal = IsElsewhere ? ["--set", $"journal={JournalOf(folder)}"] : [];
        return ChaosProcess.Run(
            [.. _settings.Train, .. journal, "--run-dir", folder, "--json", .. first ? ["--fresh"] : Array.Empty<string>()], folder, fault, _pace.Now, crashAt, _settings.HungAfter, _stop);
    }

    private static string Hashes(string output)
    {
        using JsonDocument result = JsonDocument.Parse(output.Trim().Split('\n')[^1]);
        return $"weights {result.RootElement.GetProperty("weightsSha256").GetString()}, optimizer {result.RootElement.GetProperty("optimizerSha256").GetString()}, ledger {result.RootElement.GetProperty("ledgerSha256").GetString()}";
    }
}

/// <summary>The run file or its settings are refused; the message is what the refusal said.</summary>
public sealed class ChaosMistakeException(string said) : Exception(said);
