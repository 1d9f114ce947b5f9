using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Prompts;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Cluster.Coordination;

/// <summary>The five stages of a run as actors.</summary>
internal sealed record StageActors(IActorRef PromptSource, IActorRef GeneratorPool, IActorRef ScorerPool, IActorRef GroupAggregator, IActorRef Learner)
{
    public IEnumerable<IActorRef> All => [PromptSource, GeneratorPool, ScorerPool, GroupAggregator, Learner];
}

/// <summary>
/// Takes one command round the stages, in the order of <see cref="Pipeline"/>, so that both hosts decide alike: the stages that the command concerns, and if that gave
/// events all of them until none has anything to add, the aggregator last.
/// </summary>
/// <remarks>The pipeline that it takes and gives mirrors what the actors hold: for reports, and to name what the run waits for.</remarks>
internal sealed class StageRound
{
    private readonly StageActors stages;
    private readonly TimeSpan patience;
    private Pipeline mirror;
    private readonly ImmutableArray<FoldedEvent>.Builder events = ImmutableArray.CreateBuilder<FoldedEvent>();
    private readonly ImmutableArray<Effect>.Builder effects = ImmutableArray.CreateBuilder<Effect>();

    private StageRound(StageActors stages, Pipeline mirror, TimeSpan patience) => (this.stages, this.mirror, this.patience) = (stages, mirror, patience);

    public static async Task<PipelineStep> Resume(StageActors stages, Pipeline mirror, TimeSpan patience)
    {
        var round = new StageRound(stages, mirror, patience);
        await round.Settle();
        return round.Done();
    }

    public static async Task<PipelineStep> Handle(StageActors stages, Pipeline mirror, Command command, TimeSpan patience)
    {
        var round = new StageRound(stages, mirror, patience);
        foreach (IActorRef stage in Concerned(stages, command))
        {
            await round.Ask(stage, command);
        }

        if (round.events.Count > 0)
        {
            await round.Settle();
        }

        return round.Done();
    }

    private PipelineStep Done() => new(mirror, events.ToImmutable(), effects.ToImmutable());

    private static IActorRef[] Concerned(StageActors stages, Command command) => command switch
    {
        Command.VersionPublished => [stages.GeneratorPool, stages.Learner],
        Command.GeneratorJoined or Command.GeneratorLeft or Command.WorkAsked or Command.Progress or Command.CompletionsArrived => [stages.GeneratorPool],
        Command.ScoreArrived => [stages.ScorerPool],
        Command.BatchTrained or Command.SentinelTripped or Command.CheckpointDone or Command.EvaluationDone => [stages.Learner],
        Command.TrainerRestarted => [stages.Learner, stages.GroupAggregator],
        Command.DeadlinePassed => [stages.GeneratorPool, stages.ScorerPool, stages.GroupAggregator, stages.Learner],
        _ => throw new InvalidOperationException($"No stage takes {command.GetType().Name}."),
    };

    private async Task Settle()
    {
        int before;
        do
        {
            before = events.Count;
            await Ask(stages.Learner, Command.Again);
            await Ask(stages.PromptSource, Command.Again);
            await Ask(stages.GeneratorPool, Command.Again);
            await Ask(stages.ScorerPool, Command.Again);
            if (events.Count == before)
            {
                await Ask(stages.GroupAggregator, Command.Again);
            }
        }
        while (events.Count > before);
    }

    private async Task Ask(IActorRef stage, Command command)
    {
        Decided decided = await stage.Ask<Decided>(new Decide(command), patience);
        mirror = decided.Memory switch
        {
            PromptMemory x => mirror with { Prompts = x },
            GeneratorMemory x => mirror with { Generation = x },
            ScorerMemory x => mirror with { Scoring = x },
            AggregatorMemory x => mirror with { Groups = x },
            LearnerMemory x => mirror with { Learning = x },
            _ => throw new InvalidOperationException($"No stage has the memory {decided.Memory.GetType().Name}."),
        };
        if (decided.Events.Length > 0)
        {
            var folded = new Fold(decided.Events);
            foreach (IActorRef each in stages.All)
            {
                each.Tell(folded);
            }
        }

        foreach (RunEvent e in decided.Events)
        {
            RunState before = mirror.Run;
            mirror = mirror with { Run = before.Apply(e) };
            events.Add(new FoldedEvent(before, e, mirror.Run));
        }

        foreach (Effect effect in decided.Effects)
        {
            if (effect is Effect.HandOn hand)
            {
                await Ask(stages.ScorerPool, hand.Command);
            }
            else
            {
                effects.Add(effect);
            }
        }
    }
}
