using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Prompts;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Core.Deciding;

/// <summary>
/// The five stages over one fold. A host feeds it commands; what comes back are the events to append, already folded, and the effects to run
/// once they are durable. A host that cannot append throws this value away and recovers.
/// </summary>
/// <remarks>
/// Recovery is the same machine with empty memories: fold the stream, <see cref="Resume"/>, and every stage asks again for whatever its state lacks.
/// That is what the protocol calls Outstanding.
/// </remarks>
public sealed record Pipeline(RunState Run, PromptMemory Prompts, GeneratorMemory Generation, ScorerMemory Scoring, AggregatorMemory Groups, LearnerMemory Learning)
{
    public static Pipeline Over(RunState run, Digest identity, RunOperation operation) => new(
        run,
        new PromptMemory(),
        GeneratorMemory.Empty(operation.Deadlines.Ticket),
        ScorerMemory.Empty,
        new AggregatorMemory(operation.Deadlines.Training),
        LearnerMemory.Empty(identity, operation));

    /// <summary>Asks every stage what follows from the present state: at a run's first start and after recovery.</summary>
    public PipelineStep Resume() => Settle(new Round(this));

    public PipelineStep Handle(Command command)
    {
        var round = new Round(this);
        round.Tell(command);
        return round.Events.Count == 0 ? round.Done() : Settle(round);
    }

    /// <summary>
    /// Asks the stages in turn until none has anything to add. The aggregator comes last: a batch goes to the trainer only after everything that
    /// must see the weights as they are (publication, checkpoint) has been asked of it.
    /// </summary>
    private static PipelineStep Settle(Round round)
    {
        int before;
        do
        {
            before = round.Events.Count;
            round.Learner(Command.Again);
            round.PromptSource(Command.Again);
            round.GeneratorPool(Command.Again);
            round.ScorerPool(Command.Again);
            if (round.Events.Count == before)
            {
                round.GroupAggregator(Command.Again);
            }
        }
        while (round.Events.Count > before);
        return round.Done();
    }

    /// <summary>One decision under way: folds events as they are decided and collects effects in order.</summary>
    private sealed class Round(Pipeline start)
    {
        private Pipeline pipeline = start;
        private readonly ImmutableArray<Effect>.Builder effects = ImmutableArray.CreateBuilder<Effect>();

        public ImmutableArray<FoldedEvent>.Builder Events { get; } = ImmutableArray.CreateBuilder<FoldedEvent>();

        public PipelineStep Done() => new(pipeline, Events.ToImmutable(), effects.ToImmutable());

        public void Tell(Command command)
        {
            switch (command)
            {
                case Command.VersionPublished:
                    GeneratorPool(command);
                    Learner(command);
                    break;
                case Command.GeneratorJoined or Command.GeneratorLeft or Command.WorkAsked or Command.Progress or Command.CompletionsArrived:
                    GeneratorPool(command);
                    break;
                case Command.ScoreArrived:
                    ScorerPool(command);
                    break;
                case Command.BatchTrained or Command.SentinelTripped or Command.CheckpointDone or Command.EvaluationDone:
                    Learner(command);
                    break;
                case Command.TrainerRestarted:
                    Learner(command);
                    GroupAggregator(command);
                    break;
                case Command.DeadlinePassed:
                    GeneratorPool(command);
                    ScorerPool(command);
                    GroupAggregator(command);
                    Learner(command);
                    break;
                default:
                    throw new InvalidOperationException($"No stage takes {command.GetType().Name}.");
            }
        }

        public void PromptSource(Command command) =>
            Take(Core.Prompts.PromptSource.Decide(pipeline.Run, pipeline.Prompts, command), memory => pipeline with { Prompts = memory });

        public void GeneratorPool(Command command) =>
            Take(Core.Generation.GeneratorPool.Decide(pipeline.Run, pipeline.Generation, command), memory => pipeline with { Generation = memory });

        public void ScorerPool(Command command) =>
            Take(Core.Scoring.ScorerPool.Decide(pipeline.Run, pipeline.Scoring, command), memory => pipeline with { Scoring = memory });

        public void GroupAggregator(Command command) =>
            Take(Core.Groups.GroupAggregator.Decide(pipeline.Run, pipeline.Groups, command), memory => pipeline with { Groups = memory });

        public void Learner(Command command) =>
            Take(Core.Learning.Learner.Decide(pipeline.Run, pipeline.Learning, command), memory => pipeline with { Learning = memory });

        private void Take<T>(Decision<T> decision, Func<T, Pipeline> remember)
        {
            pipeline = remember(decision.Memory);
            Fold(decision.Events, decision.Effects);
        }

        private void Fold(ImmutableArray<RunEvent> events, ImmutableArray<Effect> decided)
        {
            foreach (RunEvent e in events)
            {
                RunState before = pipeline.Run;
                pipeline = pipeline with { Run = before.Apply(e) };
                Events.Add(new FoldedEvent(before, e, pipeline.Run));
            }

            foreach (Effect effect in decided)
            {
                if (effect is Effect.HandOn hand)
                {
                    ScorerPool(hand.Command);
                }
                else
                {
                    effects.Add(effect);
                }
            }
        }
    }
}

/// <summary>What a command led to.</summary>
/// <param name="Next">The pipeline with <paramref name="Events"/> folded.</param>
/// <param name="Effects">To be run, in order, once the events are durable.</param>
public sealed record PipelineStep(Pipeline Next, ImmutableArray<FoldedEvent> Events, ImmutableArray<Effect> Effects);

/// <summary>An event with the states around it.</summary>
public sealed record FoldedEvent(RunState Before, RunEvent Event, RunState After);
