using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Core.Tests.Runs;

/// <summary>
/// A host on one thread: workers answer at once, and their answers wait in a bag from which one is drawn by a seeded random number. It can die
/// between any two commands and recovers by folding its journal. Weights are a digest of all that was trained.
/// </summary>
internal sealed class ShuffledHost(RunIdentity plan, int seed, int generators = 2)
{
    private static readonly Digest Identity = Digest.Of("identity");

    private readonly Random random = new(seed);
    private readonly List<Command> bag = [];
    private Pipeline pipeline = Pipeline.Over(RunState.Begin(plan), Identity, Plans.Operation);
    private readonly Dictionary<long, Digest> checkpoints = [];
    private Digest trained = plan.StartingWeights;
    private long trainedSteps;

    public List<RunEvent> Journal { get; } = [];

    public RunState Run => pipeline.Run;

    /// <summary>Overrides what a reward says; null: the usual.</summary>
    public Func<ScoreCall, Completion, ScoreOutcome?> Rewards { get; init; } = (_, _) => null;

    /// <summary>What a step reports.</summary>
    public Func<long, ImmutableArray<Metric>> Metrics { get; init; } = _ => [];

    /// <summary>True: the step's numbers are not finite.</summary>
    public Func<long, bool> Fails { get; init; } = _ => false;

    public RetentionPlan Retention { get; init; } = RetentionPlan.Default;

    public int CommandsHandled { get; private set; }

    public List<string> StopReasons { get; } = [];

    public ShuffledHost ToTheEnd(int killEvery = 0)
    {
        Recover();
        while (pipeline.Run.Ended is null && StopReasons.Count == 0)
        {
            Assert.True(bag.Count > 0, $"Nothing is under way, and the run has not ended (seed {seed}).");
            int pick = random.Next(bag.Count);
            Command command = bag[pick];
            bag.RemoveAt(pick);
            Carry(pipeline.Handle(command));
            CommandsHandled++;
            Assert.True(CommandsHandled < 100_000, $"No end in sight (seed {seed}).");
            if (killEvery > 0 && CommandsHandled % killEvery == 0)
            {
                Recover();
            }
        }

        return this;
    }

    private Pipeline Fresh(RunState run) => Pipeline.Over(run, Identity, Plans.Operation with { Retention = Retention });

    private void Recover()
    {
        bag.Clear();
        RunState run = Journal.Aggregate(RunState.Begin(plan), (state, e) => state.Apply(e));
        trained = run.Started ? run.Policy : plan.StartingWeights;
        trainedSteps = run.Version.Steps;
        pipeline = Fresh(run);
        Carry(pipeline.Resume());
        bag.AddRange(run.Policies.Keys.Select(version => new Command.VersionPublished(new PolicyVersion(version))));
        for (int i = 0; i < generators; i++)
        {
            bag.Add(new Command.WorkAsked(new WorkerId($"g{i}"), 2));
        }
    }

    private void Carry(PipelineStep step)
    {
        pipeline = step.Next;
        Journal.AddRange(step.Events.Select(e => e.Event));
        foreach (Effect effect in step.Effects)
        {
            bag.AddRange(Answers(effect));
        }
    }

    private IEnumerable<Command> Answers(Effect effect)
    {
        switch (effect)
        {
            case Effect.SendTickets x:
                Assert.Single(x.Tickets.Select(ticket => ticket.Version).Distinct());
                return
                [
                    .. x.Tickets.Select(ticket => new Command.CompletionsArrived(
                        x.Generator, ticket, run(ticket.Version), [.. ticket.Indices.Select(index => Sampled(ticket, index))], TimeSpan.Zero)),
                    new Command.WorkAsked(x.Generator, 2),
                ];
            case Effect.RunScorer x:
                return [new Command.ScoreArrived(x.Call, [.. x.Call.Completions.Select(completion => Rewards(x.Call, completion) ?? Score(x.Call, completion))])];
            case Effect.TrainBatch x:
                Assert.Equal((trainedSteps, trained), (x.Batch.Inputs.Step, x.Policy));
                if (Fails(x.Batch.Inputs.Step))
                {
                    return [new Command.SentinelTripped(x.Batch.Inputs.Step, x.Batch.Digest, "The gradient norm is NaN.")];
                }

                return [new Command.BatchTrained(x.Batch.Inputs.Step, Train(x.Batch), new StepTimings(TimeSpan.Zero, TimeSpan.Zero))];
            case Effect.PublishVersion x:
                Assert.True(x.Version.Steps <= trainedSteps);
                Assert.Equal(run(x.Version), x.Policy);
                return [new Command.VersionPublished(x.Version)];
            case Effect.WriteCheckpoint { IsLast: true } x when trainedSteps > x.Step:
                (trained, trainedSteps) = (pipeline.Run.Policy, x.Step); // built again
                return [new Command.TrainerRestarted()];
            case Effect.WriteCheckpoint x:
                Assert.Equal(trainedSteps, x.Step);
                checkpoints[x.Step] = trained;
                return [new Command.CheckpointDone(x.Step, $"step-{x.Step}", Digest.Of($"manifest {x.Step}"), trained, trained)];
            case Effect.Evaluate x:
                return [new Command.EvaluationDone(x.Version, new Evaluation(10, (int)(run(x.Version).A % 10), 0.5, run(x.Version)))];
            case Effect.RollBack x:
                trained = checkpoints[x.To];
                Assert.Equal(x.Policy, trained);
                trainedSteps = x.Step + 1;
                return [];
            case Effect.StopRun x:
                StopReasons.Add(x.Reason);
                return [];
            default:
                return [];
        }

        Digest run(PolicyVersion version) => pipeline.Run.Policies[version.Steps];
    }

    private StepOutputs Train(TrainingBatch batch)
    {
        bool empty = batch.Rows.IsEmpty && batch.Inputs.Kind == PhaseKind.Grpo;
        Digest update = empty ? default : trained.Then(batch.Digest);
        Digest policy = empty ? trained : trained.Then(update);
        trained = policy;
        trainedSteps++;
        return new StepOutputs(empty, batch.Digest, update, policy, Metrics(batch.Inputs.Step), batch.Inputs.Adaptive);
    }

    private static Completion Sampled(Ticket ticket, int index)
    {
        Digest dice = Digest.Of($"{ticket.Group} {index} {ticket.Version}");
        int length = 1 + (int)(dice.A % 6);
        return new Completion(index, [.. Enumerable.Range(0, length).Select(i => (int)(dice.B % 50) + i)], [.. Enumerable.Repeat(-0.5f, length)], FinishReason.Eos);
    }

    private static ScoreOutcome.Scored Score(ScoreCall call, Completion completion) => new(completion.Tokens[0] % (call.Reward + 2));
}
