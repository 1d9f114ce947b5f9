using System.Collections.Immutable;
using System.CommandLine;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Persistence.Sql;
using GrpoActors.Actors;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using Microsoft.Extensions.Logging;
using Command = GrpoActors.Core.Runs.Command;

namespace GrpoActors.Benchmarks;

/// <summary><c>coordinator</c>: tokens a second through a cluster's coordinator, by the clock.</summary>
/// <remarks>
/// The run's actor with its stages, journal, metrics and samples as a node has them; every message passes the wire codec, every group's completions are decoded from the bytes that a node would
/// have sent. The workers are actors that answer at once. Left out: the sockets and TLS. The workers' own work (encoding their messages) is on the same cores.
/// </remarks>
internal static class CoordinatorCommand
{
    private const double TokensPerSecondMin = 1e6;
    private const int WarmSteps = 2;

    private static readonly Option<int>
        Generators = Number("--generators", "Generators that ask at once.", 64),
        GroupsPerStep = Number("--groups-per-step", "Groups of a step.", 256),
        Completions = Number("--completions", "Completions of a group.", 8),
        Tokens = Number("--tokens", "Tokens of a completion.", 256),
        Steps = Number("--steps", "Steps, of which the first two are not counted.", 20);

    public static System.CommandLine.Command Build() => new Benchmark(
        "coordinator",
        "Tokens a second through the coordinator of a cluster: its real actors, journal (SQLite), metrics and samples, messages through the wire codec, completions decoded from bytes; workers that answer at once. --threads and --runs say nothing here.",
        (settings, report) => Run(settings.Parsed, report).GetAwaiter().GetResult(), Generators, GroupsPerStep, Completions, Tokens, Steps);

    private static async Task Run(ParseResult parsed, Report report)
    {
        string folder = Directory.CreateTempSubdirectory("grpo-coordinator-").FullName;
        try
        {
            await Measure(parsed, folder, report);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task Measure(ParseResult parsed, string folder, Report report)
    {
        int completions = parsed.GetValue(Completions), tokens = parsed.GetValue(Tokens), steps = Math.Max(WarmSteps + 1, parsed.GetValue(Steps));
        string runFile = Path.Combine(folder, "run.json");
        await File.WriteAllTextAsync(Path.Combine(folder, "rows.jsonl"), string.Concat(Enumerable.Range(0, 1000).Select(row => $$"""{"prompt":"{{row}}+{{row}}=","answer":"{{2 * row}}"}{{"\n"}}""")));
        await File.WriteAllTextAsync(runFile, RunFile(parsed.GetValue(GroupsPerStep), completions, tokens, steps));
        PlanResult plan = GrpoRun.Check(runFile, new GrpoRunSettings { Overrides = [("run_dir", folder)] });
        using RunSetup setup = RunComposition.Build(plan.PlanOrThrow(), RewardRegistry.BuiltIn);
        using var files = RunFolder.Open(folder);
        RunJournal journal = RunJournal.Of(null, folder, setup.Identity);
        using ActorSystem system = ActorSystem.Create("coordinator", BootstrapSetup.Create().WithConfig(LocalHocon.Config.WithFallback(SqlPersistence.DefaultConfiguration)).And(JournalSetup.Of(journal)));
        var status = new RunStatus();
        using var instruments = new RunInstruments(status);
        long appends = 0;
        double appending = 0;
        using var listener = new MeterListener { InstrumentPublished = (instrument, listening) => Listen(instrument, listening) };
        listener.SetMeasurementEventCallback<double>((_, seconds, _, _) =>
        {
            appends++; // the run's actor alone measures it
            appending += seconds;
        });
        listener.Start();
        var contents = new EncodedContents(completions, tokens, setup.Tokenizer.VocabularySize);
        long trained = 0, started = 0;
        TimeSpan processor = default;
        IActorRef run = system.ActorOf(Props.CreateBy(new ActorMaker(() => new RunActor(new RunServices
        {
            Setup = setup,
            OpenLog = () => new RunLog(setup, files, ownsFolder: false, PhysicalDisk.Instance, Reached, TimeProvider.System),
            Journal = journal,
            Contents = contents,
            Status = status,
            Log = new Complaints(),
            Workers = WorkerPlacement.Elsewhere(setup.Plan),
            LeaseDuration = TimeSpan.FromMinutes(10),
            Instruments = instruments,
        }))), "run");
        while (status.Run is null)
        {
            await Task.Delay(10); // it hears nothing while it recovers
        }

        system.ActorOf(Props.CreateBy(new ActorMaker(() => new InstantTrainer(run, setup, status))), "trainer");
        system.ActorOf(Props.CreateBy(new ActorMaker(() => new InstantScorer(run, setup))), "scorer");
        for (int i = 0; i < parsed.GetValue(Generators); i++)
        {
            string name = $"generator-{i}";
            system.ActorOf(Props.CreateBy(new ActorMaker(() => new InstantGenerator(run, setup, name, contents))), name);
        }

        RunOutcome end = await status.Ended;
        TimeSpan elapsed = Stopwatch.GetElapsedTime(started);
        processor = Environment.CpuUsage.TotalTime - processor;
        await system.Terminate();
        if (end is RunOutcome.Failed failed)
        {
            throw new InvalidOperationException(failed.Failure.Message, failed.Failure);
        }

        double rate = trained / elapsed.TotalSeconds;
        report.Add(new Row("tokens a second", rate, "tokens/s", TokensPerSecondMin));
        report.Add(new Row("groups a second", rate / (completions * tokens), "groups/s"));
        report.Add(new Row("an append", 1000 * appending / appends, "ms"));
        report.Add(new Row("appends a group", (double)appends / (steps * parsed.GetValue(GroupsPerStep)), ""));
        report.Add(new Row("processor time, workers included", processor / elapsed, "cores", Environment.ProcessorCount));

        void Listen(Instrument instrument, MeterListener listening)
        {
            if (instrument == instruments.AppendDuration)
            {
                listening.EnableMeasurementEvents(instrument);
            }
        }

        void Reached(StepReport step)
        {
            if (step.RunStep == WarmSteps)
            {
                (started, processor) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            }
            else if (step.RunStep > WarmSteps)
            {
                trained += step.Tokens;
            }
        }
    }

    private static string RunFile(int groups, int completions, int tokens, int steps) => $$"""
        {
          "seed": 1,
          "dialect": "trl",
          "model": {
            "config": {
              "model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 16,
              "max_position_embeddings": {{tokens + 64}}, "rms_norm_eps": 1e-5, "rope_theta": 10000, "tie_word_embeddings": true, "initializer_range": 0.02
            },
            "tokenizer": { "characters": "0123456789+-=", "pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>" }
          },
          "phases": [
            {
              "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": {{steps}}, "groups_per_step": {{groups}}, "num_generations": {{completions}}, "max_completion_length": {{tokens}},
              "objective": "grpo", "beta": 0, "learning_rate": 1e-6
            }
          ],
          "rewards": [ { "name": "answer", "kind": "exact_answer", "weight": 1 }, { "name": "digits", "kind": "regex_format", "weight": 0.1, "settings": { "pattern": "[0-9]+" } } ],
          "save_steps": 10,
          "samples_steps": 0
        }
        """;

    private static Option<int> Number(string name, string description, int usual) => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => usual };

    /// <summary>As between nodes.</summary>
    private static WorkerMessage OverTheWire(WorkerMessage message) => WireFormat.Decode(WireFormat.KindOf(message), WireFormat.Encode(message));

    /// <summary>Contents that lie here as the bytes that a node serves.</summary>
    private sealed class EncodedContents : IContents
    {
        private readonly ImmutableArray<(ContentRef Ref, byte[] Bytes)> groups;
        private readonly Dictionary<Digest, byte[]> byHash;

        public EncodedContents(int completions, int tokens, int vocabulary)
        {
            var random = new Random(1);
            groups =
            [
                .. Enumerable.Range(0, 64).Select(group =>
                {
                    byte[] bytes = CompletionsContent.Encode(
                    [
                        .. Enumerable.Range(0, completions).Select(index => new Completion(
                            index, [.. Enumerable.Range(0, tokens).Select(_ => random.Next(vocabulary))], [.. Enumerable.Range(0, tokens).Select(_ => -random.NextSingle())], FinishReason.Length)),
                    ]);
                    return (new ContentRef(new Uri($"https://generator:4054/content/{group}"), Digest.Of($"{group}"), bytes.Length), bytes);
                }),
            ];
            byHash = groups.ToDictionary(group => group.Ref.Sha256, group => group.Bytes);
        }

        public CompletionsRef Of(GroupId group) => new CompletionsRef.Served(groups[(int)(group.Ordinal % groups.Length)].Ref);

        public ValueTask<ImmutableArray<Completion>> Get(CompletionsRef completions) =>
            new(Task.Run(() => CompletionsContent.Decode(byHash[((CompletionsRef.Served)completions).Content.Sha256])));

        public CompletionsRef Offer(ImmutableArray<Completion> completions) => throw new InvalidOperationException("No call is asked for again here.");

        public WeightsRef? Offer(PolicyVersion version) => null;

        public Task Bring(WeightsRef weights) => Task.CompletedTask;

        public void RetireBelow(long version)
        {
            // it holds no weights
        }

        public void Release(CompletionsRef completions)
        {
            // the generators' go on being served
        }
    }

    private sealed class InstantGenerator : ReceiveActor
    {
        private readonly IActorRef run;
        private readonly WorkerIdentity by;
        private long ask;

        public InstantGenerator(IActorRef run, RunSetup setup, string name, EncodedContents contents)
        {
            this.run = run;
            by = new WorkerIdentity(name, setup.Identity, setup.Plan.Identity.NumericsRevision);
            Receive<TicketsIssued>(issued =>
            {
                if (issued.Ask != ask)
                {
                    return;
                }

                foreach (PromptedTicket ticket in issued.Tickets)
                {
                    run.Tell(OverTheWire(new CompletionsOffered(by, ticket.Ticket, issued.Weights.Served!.Policy, TimeSpan.FromSeconds(1), contents.Of(ticket.Ticket.Group))));
                }

                Ask();
            });
            Receive<WeightsAnnounced>(_ => { });
            Receive<VersionReached>(_ => { });
            Receive<RunOver>(_ => { });
        }

        protected override void PreStart() => Ask();

        private void Ask()
        {
            ask++;
            run.Tell(OverTheWire(new WorkWanted(by, ask)));
        }
    }

    private sealed class InstantScorer : ReceiveActor
    {
        private const int CallsMax = 512;

        private readonly IActorRef run;
        private readonly WorkerIdentity by;
        private readonly int completions;

        public InstantScorer(IActorRef run, RunSetup setup)
        {
            this.run = run;
            by = new WorkerIdentity("scorer", setup.Identity, setup.Plan.Identity.NumericsRevision);
            completions = setup.Plan.Identity.Phases[0].Groups!.NumGenerations;
            Receive<CallIssued>(call =>
            {
                run.Tell(OverTheWire(new CallAnswered(by, call.Key, [.. Enumerable.Range(0, completions).Select(index => new ScoreOutcome.Scored(((call.Row + index) % 3) - call.Key.Reward))])));
                run.Tell(OverTheWire(new CallsWanted(by, CallsMax)));
            });
            Receive<VersionReached>(_ => { });
            Receive<RunOver>(_ => { });
        }

        protected override void PreStart() => run.Tell(OverTheWire(new CallsWanted(by, CallsMax)));
    }

    private sealed class InstantTrainer : ReceiveActor
    {
        public InstantTrainer(IActorRef run, RunSetup setup, RunStatus status)
        {
            var by = new WorkerIdentity("trainer", setup.Identity, setup.Plan.Identity.NumericsRevision);
            long term = 0;
            Receive<LeaseGranted>(granted =>
            {
                term = granted.Term;
                Report(new Command.TrainerRestarted());
            });
            Receive<TrainJournalled>(x =>
            {
                Digest update = x.Policy.Then(x.Batch);
                Report(new Command.BatchTrained(x.Step, new StepOutputs(false, x.Batch, update, x.Policy.Then(update), [], status.Run!.Adaptive), new StepTimings(default, default)));
            });
            Receive<TrainerOrder>(x =>
            {
                switch (x.Effect)
                {
                    case Effect.PublishVersion publish:
                        var content = new ContentRef(new Uri("https://trainer:4054/content/weights"), publish.Policy, 1);
                        Report(new Command.VersionPublished(publish.Version), new WeightsRef(publish.Version, new ServedWeights(publish.Policy, content)));
                        break;
                    case Effect.WriteCheckpoint checkpoint:
                        Report(new Command.CheckpointDone(checkpoint.Step, $"step-{checkpoint.Step}", Digest.Of($"manifest {checkpoint.Step}"), checkpoint.Policy, checkpoint.Policy));
                        break;
                }
            });
            ReceiveAny(_ => { });
            Run = () => run.Tell(OverTheWire(new LeaseWanted(by, 0, [])));

            void Report(Command command, WeightsRef? weights = null) => run.Tell(OverTheWire(new TrainerReport(term, command, weights)));
        }

        private Action Run { get; }

        protected override void PreStart() => Run();
    }

    /// <summary>Nothing is to be warned of here.</summary>
    private sealed class Complaints : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Console.Error.WriteLine(formatter(state, exception));
            }
        }
    }
}
