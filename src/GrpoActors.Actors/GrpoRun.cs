using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Runs;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Actors;

/// <summary>A run on this machine, from its run file to its result. Opening the same run again goes on where its journal ends.</summary>
/// <example>
/// <code>
/// using var run = GrpoRun.Open("recipes/arithmetic.json", new GrpoRunSettings
/// {
///     Rewards = RewardRegistry.BuiltIn.With(new DelegateReward("brief", 1, x => x.Tokens &lt; 20 ? 1 : 0)),
///     Overrides = [("phases.grpo.steps", "3")],
/// });
/// await foreach (StepReport step in run.TrainAsync(cancellation))
/// {
///     Console.WriteLine($"{step.Phase} {step.Step}/{step.Steps} reward {step.Reward:0.00}");
/// }
///
/// Console.WriteLine(run.Result!.AccuracyAfter);
/// </code>
/// </example>
public sealed class GrpoRun : IDisposable
{
    private readonly GrpoRunSettings settings;
    private readonly RunSetup setup;
    private readonly RunFolder folder;
    private bool trained;

    private GrpoRun(GrpoRunSettings settings, RunSetup setup, RunFolder folder, PlanResult plan)
    {
        this.settings = settings;
        this.setup = setup;
        this.folder = folder;
        Values = plan.Values;
        Warnings = plan.Warnings;
    }

    public RunPlan Plan => setup.Plan;

    /// <summary>Every value of the plan with its source.</summary>
    public ImmutableArray<SettingValue> Values { get; }

    /// <summary>What is allowed but may surprise.</summary>
    public ImmutableArray<string> Warnings { get; }

    /// <summary>Full path of the run folder.</summary>
    public string Folder => folder.Path;

    /// <summary>Set when <see cref="TrainAsync"/> has come to its end.</summary>
    public RunResult? Result { get; private set; }

    /// <summary>Checks a run file without touching anything: its settings, the model and its weights, the rewards, and every row of its data files as the run reads them.</summary>
    /// <param name="withRows">False: rows are parsed and counted, but not encoded. Quicker; one that is too long, empty or without a template is found by <see cref="Open"/>.</param>
    public static PlanResult Check(string runFile, GrpoRunSettings? settings = null, bool withRows = true)
    {
        settings ??= new GrpoRunSettings();
        return RunComposition.Plan(Options(runFile, settings), settings.Rewards, withRows);
    }

    /// <param name="runFile">Path of a run file.</param>
    /// <exception cref="ConfigException">The run file, or what it names, is wrong; or the run folder holds a run of another identity.</exception>
    /// <exception cref="RunFolderInUseException">Another process works in the run folder.</exception>
    /// <exception cref="StorageException">The run folder cannot be read or written.</exception>
    public static GrpoRun Open(string runFile, GrpoRunSettings? settings = null)
    {
        settings ??= new GrpoRunSettings();
        PlanResult checkedPlan = Check(runFile, settings, withRows: false); // Build reads them
        RunPlan plan = checkedPlan.PlanOrThrow();
        RunSetup setup = RunComposition.Build(plan, settings.Rewards);
        RunFolder? folder = null;
        try
        {
            folder = RunFolder.Open(plan.Operation.RunFolder, settings.Fresh);
            if (settings.Fresh)
            {
                RunJournal.Of(plan.Operation.Journal, folder.Path, setup.Identity).SetAside();
            }

            PlanFile.Keep(folder, plan, checkedPlan.Values);
            return new GrpoRun(settings, setup, folder, checkedPlan);
        }
        catch
        {
            folder?.Dispose();
            setup.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Trains to the end and yields one report a committed step. Cancellation stops cleanly with the state intact and ends the stream with
    /// <see cref="OperationCanceledException"/>. A run that has ended yields nothing and has its result.
    /// </summary>
    /// <exception cref="RunFailedException">The run cannot go on; its state is intact.</exception>
    /// <exception cref="StorageException">Journal or checkpoints cannot be read or written.</exception>
    public async IAsyncEnumerable<StepReport> TrainAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        if (trained)
        {
            throw new InvalidOperationException("This run was trained already; open it again to go on.");
        }

        trained = true;
        var run = new LocalRun(
            setup, folder, RunJournal.Of(setup.Plan.Operation.Journal, folder.Path, setup.Identity), new CheckpointStore(settings.CrashPoints.Around(PhysicalDisk.Instance), folder.Checkpoints),
            settings.Time, settings.Logger, settings.CrashPoints, settings.AcceptLostTail);
        try
        {
            await foreach (StepReport report in run.TrainAsync(cancellation))
            {
                yield return report;
            }
        }
        finally
        {
            Result = run.Result;
        }
    }

    public void Dispose()
    {
        setup.Dispose();
        folder.Dispose();
    }

    private static RunOptions Options(string runFile, GrpoRunSettings settings)
    {
        string text;
        try
        {
            text = File.ReadAllText(runFile);
        }
        catch (Exception unreadable) when (DiskFailure.Is(unreadable))
        {
            throw new ConfigException([new ConfigError("run file", $"is \"{runFile}\", which cannot be read: {DiskFailure.Reason(unreadable)}.", "Name an existing run file, for example recipes/arithmetic.json.")]);
        }

        RunOptions options = RunOptions.Parse(text, runFile, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)).WithEnvironment(settings.Environment);
        foreach ((string key, string value) in settings.Overrides)
        {
            options = options.With(key, value);
        }

        return options;
    }
}

/// <summary>What a program hands to a run besides its file.</summary>
public sealed record GrpoRunSettings
{
    /// <summary>The rewards that the run file may name; by default the built-in ones.</summary>
    public RewardRegistry Rewards { get; init; } = RewardRegistry.BuiltIn;

    /// <summary>Laid over the run file: path of a setting, and its value as JSON or plain text.</summary>
    public IReadOnlyList<(string Key, string Value)> Overrides { get; init; } = [];

    /// <summary>Environment variables; those that begin with <c>GRPO__</c> are laid over the run file, below <see cref="Overrides"/>.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>Set an old run folder aside and begin anew.</summary>
    public bool Fresh { get; init; }

    /// <summary>Arrival order: go on although the journal has lost its tail.</summary>
    public bool AcceptLostTail { get; init; }

    public ILogger Logger { get; init; } = NullLogger.Instance;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where the process kills itself; for tests of recovery.</summary>
    public CrashPoints CrashPoints { get; init; } = CrashPoints.None;
}
