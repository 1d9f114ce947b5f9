using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Schedules;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Runtime.Tests.Audit;

/// <summary>The stream of a small run, made by the stages themselves with workers that answer at once; weights are a digest of all that was trained.</summary>
internal static class RecordedRun
{
    public const int MaxCompletionLength = 6;
    private const int EndOfSequence = 2;

    public static Digest Identity { get; } = Digest.Of("identity");

    public static RunOperation Operation { get; } = new(
        "run", 1, 1, 1, 0, 1024, 3, 2, new DeadlinePlan(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60)), 3);

    public static RunIdentity Plan(OrderKind order = OrderKind.Canonical, int lag = 0, int refillRounds = 0, bool dropZeroSpread = false, string objective = "grpo", int rows = 17)
    {
        var data = new DataPlan("rows.jsonl", rows, default, 100);
        var optimizer = new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1);
        var sampling = new SamplingPlan(1, 0, 1, 0, 1, [], [EndOfSequence]);
        var group = new GroupPlan(
            3, 4, MaxCompletionLength, sampling, 1, 1, ObjectivePlan.For(Dialect.Trl, objective), refillRounds, RefillExhausted.TrainWhatThereIs, dropZeroSpread, KeepUnscorable: false);
        return new RunIdentity(
            7, "fake", "1", new ModelSource(null, "{}", null), Digest.Of("start"), Digest.Of("tokenizer"), new OrderPlan(order, lag, 3),
            [
                new PhasePlan("sft", PhaseKind.Sft, 2, data, true, new LearningRateSchedule { LearningRate = 1e-3, TotalSteps = 2 }, optimizer, 5, null),
                new PhasePlan("grpo", PhaseKind.Grpo, 4, data, true, new LearningRateSchedule { LearningRate = 1e-4, TotalSteps = 4 }, optimizer, 0, group),
            ],
            [
                new RewardPlan("right", "exact", 1, 1, "{}", TimeSpan.FromSeconds(1), 1),
                new RewardPlan("format", "regex", 1, 0.2, "{}", TimeSpan.FromSeconds(1), 1),
            ],
            new EvaluationPlan(data, 2, "right", 1, 8),
            RewardFailure.Record);
    }

    public static List<RunEvent> Events(RunIdentity plan, int seed = 1, int generators = 2)
    {
        var random = new Random(seed);
        var stream = new List<RunEvent>();
        var bag = new List<Command>(Enumerable.Range(0, generators).Select(i => new Command.WorkAsked(new WorkerId($"g{i}"), 2)))
        {
            new Command.VersionPublished(new PolicyVersion(0)),
        };
        PipelineStep step = Pipeline.Over(RunState.Begin(plan), Identity, Operation).Resume();
        Digest trained = plan.StartingWeights;
        while (true)
        {
            stream.AddRange(step.Events.Select(folded => folded.Event));
            foreach (Effect effect in step.Effects)
            {
                bag.AddRange(Answers(step.Next.Run, effect, ref trained));
            }

            if (step.Next.Run.Ended is not null)
            {
                return stream;
            }

            Assert.NotEmpty(bag);
            int pick = random.Next(bag.Count);
            Command command = bag[pick];
            bag.RemoveAt(pick);
            step = step.Next.Handle(command);
        }
    }

    private static Command[] Answers(RunState run, Effect effect, ref Digest trained)
    {
        switch (effect)
        {
            case Effect.SendTickets x:
                return
                [
                    .. x.Tickets.Select(ticket => new Command.CompletionsArrived(
                        x.Generator, ticket, run.Policies[ticket.Version.Steps], [.. ticket.Indices.Select(index => Sampled(ticket, index))], TimeSpan.Zero)),
                    new Command.WorkAsked(x.Generator, 2),
                ];
            case Effect.RunScorer x:
                return [new Command.ScoreArrived(x.Call, [.. x.Call.Completions.Select(completion => Score(x.Call, completion))])];
            case Effect.TrainBatch x:
                return [new Command.BatchTrained(x.Batch.Inputs.Step, Train(x.Batch, ref trained), new StepTimings(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1)))];
            case Effect.PublishVersion x:
                return [new Command.VersionPublished(x.Version)];
            case Effect.WriteCheckpoint x:
                return [new Command.CheckpointDone(x.Step, $"step-{x.Step}", Digest.Of($"manifest {x.Step}"), Digest.Of($"weights {x.Step}"), Digest.Of($"optimizer {x.Step}"))];
            case Effect.Evaluate x:
                return [new Command.EvaluationDone(x.Version, new Evaluation(10, (int)(x.Version.Steps % 10), 0.5, Digest.Of($"{x.Version}")))];
            default:
                return [];
        }
    }

    private static StepOutputs Train(TrainingBatch batch, ref Digest trained)
    {
        bool empty = batch.Rows.IsEmpty && batch.Inputs.Kind == PhaseKind.Grpo;
        Digest update = empty ? default : trained.Then(batch.Digest);
        trained = empty ? trained : trained.Then(update);
        ImmutableArray<Metric> metrics = [new("loss", 0.25)];
        if (!batch.Rows.IsEmpty)
        {
            metrics = [new("completions/mean_length", batch.Rows.Average(row => row.Completion.Tokens.Length)), .. metrics, new("reward", batch.Rows.Average(row => row.Reward ?? 0))];
        }

        return new StepOutputs(empty, batch.Digest, update, trained, metrics, batch.Inputs.Adaptive);
    }

    private static Completion Sampled(Ticket ticket, int index)
    {
        Digest dice = Digest.Of($"{ticket.Group} {index} {ticket.Version}");
        int length = 1 + (int)(dice.A % MaxCompletionLength);
        int[] tokens = [.. Enumerable.Range(0, length).Select(i => 10 + (int)((dice.B >> i) % 5))];
        bool isCut = length == MaxCompletionLength;
        tokens[^1] = isCut ? tokens[^1] : EndOfSequence;
        return new Completion(index, [.. tokens], [.. tokens.Select(token => -0.1f * token)], isCut ? FinishReason.Length : FinishReason.Eos);
    }

    /// <summary>Some groups have no spread, some completions cannot be scored.</summary>
    private static ScoreOutcome Score(ScoreCall call, Completion completion)
    {
        ulong dice = Digest.Of($"{call.Group} {completion.Index} {call.Reward}").A;
        bool isFlat = Digest.Of($"{call.Group}").A % 4 == 0;
        return isFlat ? new ScoreOutcome.Scored(1)
            : dice % 23 == 0 ? new ScoreOutcome.TimedOut(TimeSpan.FromSeconds(1))
            : dice % 11 == 0 && call.Reward == 1 ? ScoreOutcome.NotApplicable
            : new ScoreOutcome.Scored(dice % 3 * 0.5f);
    }
}
