using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Host.Audit;
using GrpoActors.Host.Recorded;
using GrpoActors.Host.RunFolders;

namespace GrpoActors.Host.Chaos;

/// <param name="Train">Program and arguments that train the run file; the run folder and --json are added.</param>
/// <param name="Folder">Holds the run folders of the trial; those that ended well are deleted.</param>
/// <param name="HungAfter">A process that has not ended by then is reported with what it said.</param>
public sealed record ChaosSettings(IReadOnlyList<string> Train, string Folder, int Kills, int Freezes, int Seed, TimeSpan HungAfter);

/// <param name="Name">A crash point, <c>random moment</c> or <c>SIGSTOP</c>.</param>
/// <param name="Reached">By the undisturbed run; 0 where that is not counted.</param>
/// <param name="WithoutProgress">Kills that nothing durable had come before since the last one: not counted as happened.</param>
public sealed record ChaosCount(string Name, long Reached, int Planned, int Happened, int WithoutProgress);

/// <param name="Starts">Training processes started, with the undisturbed one.</param>
/// <param name="Runs">Disturbed runs that came to their end, each compared with the undisturbed one.</param>
/// <param name="Findings">One sentence each; none means that the promise held.</param>
public sealed record ChaosReport(string Hashes, int Starts, int Runs, ImmutableArray<ChaosCount> Counts, ImmutableArray<string> Findings);

/// <summary>
/// Trains a run file undisturbed, then again and again with processes that are killed and frozen on the way, until every planned fault has happened; each such run must end with the
/// same hashes and a clean audit.
/// </summary>
public sealed class ChaosTrial
{
    private const int MissesMax = 4;
    private const string RandomMoment = "random moment", Sigstop = "SIGSTOP";

    private readonly ChaosSettings _settings;
    private readonly Action<string> _say;
    private readonly CancellationToken _stop;
    private readonly Dictionary<string, int> _happened = new(StringComparer.Ordinal), _withoutProgress = new(StringComparer.Ordinal);
    private readonly List<string> _findings = [];
    private IReadOnlyDictionary<string, long> _reached = new Dictionary<string, long>();
    private string _hashes = "";
    private int _starts;
    private int _runs;

    private ChaosTrial(ChaosSettings settings, Action<string> say, CancellationToken stop) => (_settings, _say, _stop) = (settings, say, stop);

    /// <param name="say">Told one line at a time how it goes.</param>
    /// <exception cref="StorageException">The undisturbed run does not end.</exception>
    public static Task<ChaosReport> Run(ChaosSettings settings, Action<string> say, CancellationToken stop) => new ChaosTrial(settings, say, stop).Run();

    private async Task<ChaosReport> Run()
    {
        ImmutableArray<ChaosFault> plan = await Undisturbed();
        var left = new Queue<(ChaosFault Fault, int Misses)>(plan.Select(fault => (fault, 0)));
        while (left.Count > 0 && _findings.Count == 0)
        {
            string folder = Path.Combine(_settings.Folder, $"disturbed-{++_runs}");
            await Disturb(folder, left);
            if (_findings.Count == 0)
            {
                Directory.Delete(folder, recursive: true);
                _say($"run {_runs}: same hashes; {_happened.Values.Sum()} of {plan.Length} faults");
            }
        }

        ImmutableArray<ChaosCount> counts = [.. plan.GroupBy(NameOf, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => new ChaosCount(
            group.Key, _reached.GetValueOrDefault(group.Key), group.Count(), _happened.GetValueOrDefault(group.Key), _withoutProgress.GetValueOrDefault(group.Key)))];
        _findings.AddRange(counts.Where(count => count.Happened < count.Planned).Select(count => $"{count.Name}: {count.Happened} faults happened of {count.Planned} planned."));
        return new ChaosReport(_hashes, _starts, _runs, counts, [.. _findings]);
    }

    private async Task<ImmutableArray<ChaosFault>> Undisturbed()
    {
        string folder = Path.Combine(_settings.Folder, "undisturbed");
        ChaosEnd end = await Start(folder, null, fresh: true, CrashPoints.List);
        if (end.ExitCode != 0)
        {
            throw new StorageException($"The undisturbed run ended with exit code {end.ExitCode}, so there is nothing to compare with: {LastLine(end.Error)}");
        }

        _hashes = Hashes(end.Output);
        _reached = CrashPoints.ReadCounts(end.Error);
        long steps = RecordedRun.Open(folder).Audit().Counts.Steps;
        _say($"undisturbed: {steps} steps in {end.Lived.TotalSeconds:0.0} s, {_reached.Count} crash points; {_hashes}");
        return ChaosPlan.Of(_reached, steps, end.Lived, _settings.Kills, _settings.Freezes, _settings.Seed);
    }

    /// <summary>One run: processes of it are disturbed until one of them comes to the end.</summary>
    private async Task Disturb(string folder, Queue<(ChaosFault Fault, int Misses)> left)
    {
        long durable = 0;
        for (bool fresh = true; ; fresh = false)
        {
            (ChaosFault Fault, int Misses) next = left.Count > 0 ? left.Dequeue() : default;
            ChaosEnd end = await Start(folder, next.Fault, fresh, null);
            long now = fresh && !File.Exists(Path.Combine(folder, "plan.json")) ? 0 : RecordedRun.Open(folder).Records();
            bool progress = fresh || now > durable || next.Fault is ChaosFault.Freeze;
            durable = now;
            if (next.Fault is not null)
            {
                Count(next, end.Disturbed, progress, atStart: fresh, left);
            }

            if (end.ExitCode == 0)
            {
                Compare(folder, end);
                return;
            }

            if (end.ExitCode != ChaosProcess.KilledExitCode)
            {
                _findings.Add($"A process in {folder} ended with exit code {end.ExitCode}{(next.Fault is null ? "" : $" under {next.Fault}")}: {LastLine(end.Error)}");
                return;
            }
        }
    }

    private void Count((ChaosFault Fault, int Misses) next, bool disturbed, bool progress, bool atStart, Queue<(ChaosFault Fault, int Misses)> left)
    {
        string name = NameOf(next.Fault);
        if (disturbed && progress)
        {
            _happened[name] = _happened.GetValueOrDefault(name) + 1;
        }
        else if (disturbed)
        {
            _withoutProgress[name] = _withoutProgress.GetValueOrDefault(name) + 1;
            left.Enqueue((Later(next.Fault), next.Misses));
        }
        else if (next.Misses < MissesMax)
        {
            left.Enqueue((atStart ? Earlier(next.Fault) : next.Fault, atStart ? next.Misses + 1 : next.Misses));
        }
    }

    private static ChaosFault Later(ChaosFault fault) => fault is ChaosFault.AtPoint at ? at with { Count = at.Count + 1 } : fault;

    private static ChaosFault Earlier(ChaosFault fault) => fault switch
    {
        ChaosFault.AtPoint at => at with { Count = Math.Max(1, at.Count / 2) },
        ChaosFault.Kill kill => new ChaosFault.Kill(kill.After / 2),
        ChaosFault.Freeze freeze => freeze with { After = freeze.After / 2 },
        _ => fault,
    };

    private static string NameOf(ChaosFault fault) => fault switch
    {
        ChaosFault.AtPoint at => at.Point,
        ChaosFault.Kill => RandomMoment,
        _ => Sigstop,
    };

    private void Compare(string folder, ChaosEnd end)
    {
        string hashes = Hashes(end.Output);
        if (hashes != _hashes)
        {
            _findings.Add($"The run in {folder} ended with {hashes}, the undisturbed one with {_hashes}.");
        }

        AuditReport audit = RecordedRun.Open(folder).Audit();
        _findings.AddRange(audit.Findings.Select(finding => $"Audit of {folder}: {finding.Kind} at record {finding.Position}: {finding.Sentence}"));
    }

    private Task<ChaosEnd> Start(string folder, ChaosFault? fault, bool fresh, string? crashAt)
    {
        _starts++;
        return ChaosProcess.Run([.. _settings.Train, "--run-dir", folder, "--json", .. fresh ? ["--fresh"] : Array.Empty<string>()], fault, crashAt, _settings.HungAfter, _stop);
    }

    private static string Hashes(string output)
    {
        using JsonDocument result = JsonDocument.Parse(output.Trim().Split('\n')[^1]);
        return $"weights {result.RootElement.GetProperty("weightsSha256").GetString()}, optimizer {result.RootElement.GetProperty("optimizerSha256").GetString()}, ledger {result.RootElement.GetProperty("ledgerSha256").GetString()}";
    }

    private static string LastLine(string text) => text.Trim().Split('\n')[^1];
}
