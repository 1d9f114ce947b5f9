using System.Collections.Concurrent;
using GrpoActors.Actors.Embedded;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Journal.Tests;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using Microsoft.Extensions.Logging;
using Xunit;

namespace GrpoActors.Runtime.Tests.Embedded;

/// <summary>A run of the embedded host small enough for a unit test: the real CPU engine with a thousand weights, real journal, real checkpoints, a clock that does not wait.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    public TinyRun()
    {
        File.WriteAllLines(temporary.File("worked.jsonl"), Problems(0, 12).Select(p => $$"""{"prompt":"{{p.Prompt}}","completion":"{{p.Answer}}"}"""));
        File.WriteAllLines(temporary.File("prompts.jsonl"), Problems(3, 17).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        File.WriteAllLines(temporary.File("heldout.jsonl"), Problems(20, 5).Select(p => $$"""{"prompt":"{{p.Prompt}}","answer":"{{p.Answer}}"}"""));
        File.WriteAllText(temporary.File("tiny.json"), RunFile);
    }

    /// <summary>Settings laid over the run file.</summary>
    public List<(string Key, string Value)> Overrides { get; } = [];

    /// <summary>What the reward <c>even</c> says; by default a function of the text.</summary>
    public Func<RewardInput, CancellationToken, ValueTask<float?>> Even { get; set; } = (x, _) => ValueTask.FromResult<float?>(x.Completion.Sum(c => c) % 2);

    /// <summary>Stands around the CPU engine.</summary>
    public Func<IEngine, IEngine> Engine { get; set; } = engine => engine;

    public bool AcceptLostTail { get; set; }

    public CrashPoints CrashPoints { get; set; } = CrashPoints.None;

    public TimeProvider Time { get; set; } = new HurriedTime();

    public Messages Log { get; } = new();

    public string Folder => temporary.File("run");

    public string CheckpointFolder => Path.Combine(Folder, "checkpoints");

    private RewardRegistry Rewards => RewardRegistry.BuiltIn.With(new DelegateReward("even", 1, (x, stop) => Even(x, stop)));

    public void Dispose() => temporary.Dispose();

    /// <summary>A start of this process: to the end, or until an exception ends it.</summary>
    public Task<Outcome> Train(Action<StepReport>? onStep = null) => Train(Run, onStep, CancellationToken.None);

    /// <summary>A start of this process that is cancelled as soon as this step, counted through the whole run from 1, or a later one is durable.</summary>
    /// <returns>The steps it reported.</returns>
    public async Task<int> StopAfter(long runStep)
    {
        using var stop = new CancellationTokenSource();
        int reported = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Train(
            (setup, folder) => Run(setup, folder, new StoppingJournals(new SqliteJournalProvider(folder.Journal), runStep, stop)), _ => reported++, stop.Token));
        return reported;
    }

    public void AddPhase(string json) => File.WriteAllText(
        temporary.File("tiny.json"), RunFile.Replace("""
              ],
              "rewards"
            """.ReplaceLineEndings("\n"), $$"""
            , {{json}} ],
              "rewards"
            """, StringComparison.Ordinal));

    public RunSetup Setup()
    {
        RunSetup setup = RunComposition.Build(Plan(), Rewards);
        return setup with { Engine = Engine(setup.Engine) };
    }

    public RunPlan Plan()
    {
        RunOptions options = RunOptions.Parse(File.ReadAllText(temporary.File("tiny.json")), temporary.File("tiny.json"));
        options = Overrides.Aggregate(options, (written, over) => written.With(over.Key, over.Value));
        return RunComposition.Plan(options, Rewards).PlanOrThrow();
    }

    public EmbeddedRun Run(RunSetup setup, RunFolder folder) => Run(setup, folder, new SqliteJournalProvider(folder.Journal));

    public List<RunEvent> Events()
    {
        using IJournalReader reader = new SqliteJournalProvider(Path.Combine(Folder, "journal.db")).OpenForReading();
        return [.. reader.Read().Select(entry => entry.Event)];
    }

    /// <summary>Writes the journal anew with other events; checksums are right.</summary>
    public async Task Rewrite(IReadOnlyList<RunEvent> events)
    {
        foreach (string file in Directory.GetFiles(Folder, "journal.db*"))
        {
            File.Delete(file);
        }

        await using IJournal journal = new SqliteJournalProvider(Path.Combine(Folder, "journal.db")).OpenForWriting();
        await journal.AppendAsync(0, events, CancellationToken.None);
    }

    private EmbeddedRun Run(RunSetup setup, RunFolder folder, IJournalProvider journals) => new(
        setup, folder, journals, new CheckpointStore(PhysicalDisk.Instance, folder.Checkpoints), Time, Log, CrashPoints, AcceptLostTail);

    private async Task<Outcome> Train(Func<RunSetup, RunFolder, EmbeddedRun> start, Action<StepReport>? onStep, CancellationToken stop)
    {
        using RunSetup setup = Setup();
        using RunFolder folder = RunFolder.Open(Folder);
        EmbeddedRun run = start(setup, folder);
        var steps = new List<StepReport>();
        await foreach (StepReport step in run.TrainAsync(stop))
        {
            steps.Add(step);
            onStep?.Invoke(step);
        }

        return new Outcome(run.Result!, steps);
    }

    private static IEnumerable<(string Prompt, string Answer)> Problems(int first, int count) =>
        Enumerable.Range(first, count).Select(i => ($"{i % 10}+{i * 7 % 10}=", $"{(i % 10) + (i * 7 % 10)}"));

    private const string RunFile = """
        {
          "model": {
            "config": {
              "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 1, "head_dim": 4, "max_position_embeddings": 24, "tie_word_embeddings": true, "initializer_range": 0.3
            },
            "tokenizer": { "characters": "0123456789+=" }
          },
          "phases": [
            { "name": "sft", "kind": "sft", "data": "worked.jsonl", "steps": 2, "examples_per_step": 4, "learning_rate": 1e-2 },
            { "name": "grpo", "kind": "grpo", "data": "prompts.jsonl", "steps": 5, "groups_per_step": 3, "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2 }
          ],
          "rewards": [
            { "name": "even", "kind": "even", "timeout": 3600, "retries": 1 },
            { "name": "answer", "kind": "exact_answer", "timeout": 3600 }
          ],
          "evaluation": { "data": "heldout.jsonl", "reward": "answer", "eval_steps": 2 },
          "generators": 2, "threads": 1, "save_steps": 2, "samples_steps": 1, "worker_restarts_max": 3
        }
        """;
}

/// <param name="Steps">Reported by this start.</param>
internal sealed record Outcome(RunResult Result, List<StepReport> Steps)
{
    public string Hashes => $"{Result.WeightsSha256} {Result.OptimizerSha256} {Result.LedgerSha256}";
}

/// <summary>Pauses of a few seconds are over at once; whatever waits longer than ten never comes due.</summary>
internal sealed class HurriedTime : TimeProvider
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(() => callback(state), dueTime);

    private sealed class Timer : ITimer
    {
        private readonly Action callback;

        public Timer(Action callback, TimeSpan dueTime)
        {
            this.callback = callback;
            Change(dueTime, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime >= TimeSpan.Zero && dueTime < Patience)
            {
                ThreadPool.QueueUserWorkItem(_ => callback());
            }

            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>What was logged, one line each.</summary>
internal sealed class Messages : ILogger
{
    private readonly ConcurrentQueue<string> lines = new();

    public IEnumerable<string> Lines => lines;

    /// <summary>Told each line when it is logged.</summary>
    public Action<string> Heard { get; set; } = _ => { };

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Keep($"{logLevel}: {formatter(state, exception)}");

    private void Keep(string line)
    {
        lines.Enqueue(line);
        Heard(line);
    }
}
