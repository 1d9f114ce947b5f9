using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
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
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>A run on this machine small enough for a unit test: the real CPU engine with a thousand weights, real journal, real checkpoints, a clock that does not wait.</summary>
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

    /// <summary>The checkpoints'.</summary>
    public IDisk Disk { get; set; } = PhysicalDisk.Instance;

    public bool AcceptLostTail { get; set; }

    public CrashPoints CrashPoints { get; set; } = CrashPoints.None;

    public TimeProvider Time { get; set; } = new HurriedTime();

    public Messages Log { get; } = new();

    public string Folder => temporary.File("run");

    public string CheckpointFolder => Path.Combine(Folder, "checkpoints");

    public RecordedStream Journal => JournalIn(Path.Combine(Folder, "journal.db"));

    private RewardRegistry Rewards => RewardRegistry.BuiltIn.With(new DelegateReward("even", 1, (x, stop) => Even(x, stop)));

    public void Dispose() => temporary.Dispose();

    /// <summary>A start of this process: to the end, or until an exception ends it.</summary>
    public Task<Outcome> Train(Action<StepReport>? onStep = null) => Train(CrashPoints, onStep, CancellationToken.None);

    /// <summary>
    /// A start of this process that is cancelled as soon as this step, counted through the whole run from 1, or a later one is durable; by the actor that decides, so that where the run stops
    /// does not depend on which thread is scheduled when.
    /// </summary>
    /// <returns>The steps it reported.</returns>
    public async Task<int> StopAfter(long runStep)
    {
        using var stop = new CancellationTokenSource();
        long steps = Directory.Exists(Folder) ? Events().Aggregate(RunState.Begin(Plan().Identity), (run, e) => run.Apply(e)).Version.Steps : 0;
        int reported = 0;
        CrashPoints appended = CrashPoints.Watching(point =>
        {
            bool committed = point == "appended StepCommitted";
            steps += committed || point == "appended RolledBack" ? 1 : 0;
            if (committed && steps >= runStep)
            {
                stop.Cancel();
            }
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Train(appended, _ => reported++, stop.Token));
        return reported;
    }

    /// <summary>For one worker without a run around it. The starting weights are published.</summary>
    public WorkerServices Services(RunSetup setup)
    {
        var weights = new WeightStore();
        weights.Publish(setup.StartingWeights());
        return new WorkerServices
        {
            Setup = setup,
            Weights = weights,
            Contents = new InProcessContents(weights),
            Journal = Journal.Journal,
            Checkpoints = new CheckpointStore(Disk, CheckpointFolder),
            CrashPoints = CrashPoints,
            Time = Time,
            Instruments = new RunInstruments(new RunStatus()),
            Logs = Log,
        };
    }

    public void AddPhase(string json) => File.WriteAllText(
        temporary.File("tiny.json"), RunFile.Replace("""
              ],
              "rewards"
            """.ReplaceLineEndings("\n"), $$"""
            , {{json}} ],
              "rewards"
            """, StringComparison.Ordinal));

    /// <summary>Leaves the other reward and the evaluation that uses it away.</summary>
    public void OnlyEven() => File.WriteAllText(
        temporary.File("tiny.json"),
        string.Join('\n', RunFile.ReplaceLineEndings("\n").Split('\n').Where(line => !line.Contains("\"answer\"", StringComparison.Ordinal)))
            .Replace("\"retries\": 1 },", "\"retries\": 1 }", StringComparison.Ordinal));

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

    /// <summary>This run's journal in another file.</summary>
    public RecordedStream JournalIn(string file) => new(file, Folder, PlanIdentity.IdentityDigest(Plan().Identity));

    public LocalRun Run(RunSetup setup, RunFolder folder) => Run(setup, folder, CrashPoints);

    public List<RunEvent> Events()
    {
        using IJournalReader reader = Journal.OpenForReading();
        return [.. reader.Read().Select(entry => entry.Event)];
    }

    private LocalRun Run(RunSetup setup, RunFolder folder, CrashPoints crashPoints) => new(
        setup, folder, RunJournal.Of(null, folder.Path, setup.Identity), new CheckpointStore(crashPoints.Around(Disk), folder.Checkpoints), Time, Log, crashPoints, AcceptLostTail);

    private async Task<Outcome> Train(CrashPoints crashPoints, Action<StepReport>? onStep, CancellationToken stop)
    {
        using RunSetup setup = Setup();
        using RunFolder folder = RunFolder.Open(Folder);
        LocalRun run = Run(setup, folder, crashPoints);
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
