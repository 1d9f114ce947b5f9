using Akka.Actor;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Groups;
using GrpoActors.Actors.Learning;
using GrpoActors.Actors.Prompts;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Scoring;
using GrpoActors.Actors.Supervision;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Runs;

/// <summary>The stages of one beginning of a run, as children of its actor: which of them hears what.</summary>
internal sealed class StageActors
{
    private IActorRef prompts = ActorRefs.Nobody, scorers = ActorRefs.Nobody, groups = ActorRefs.Nobody, learner = ActorRefs.Nobody;

    private StageActors()
    {
    }

    /// <summary>Before a beginning: what they are told is lost.</summary>
    public static StageActors None { get; } = new();

    public IActorRef Generators { get; private set; } = ActorRefs.Nobody;

    /// <param name="fence">Of the run's writer.</param>
    /// <param name="beginning">Counts the beginnings of this run's actor; part of the names.</param>
    /// <param name="stop">Ends the blocking work of their workers.</param>
    public static StageActors Start(IActorContext context, RunServices services, long fence, int beginning, CancellationToken stop)
    {
        WorkerPlacement workers = services.Workers;
        IActorRef learner = Child("learner", () => new LearnerActor(
            services.Log, workers.Trainer(fence, stop), services.LeaseDuration, services.AcceptLostTail, LearnerActor.TermsAfter(fence), workers.AreElsewhere, services.CrashPoints, services.Time,
            services.Instruments));
        IActorRef scorers = Child("scorer-pool", () => new ScorerPoolActor(services.Log, workers.Scorers(stop), services.Contents));
        IActorRef generators = Child("generator-pool", () => new GeneratorPoolActor(services.Log, workers.Generators(stop), services.Contents, scorers, workers.GroupsPerGenerator));
        return new StageActors
        {
            learner = learner,
            groups = Child("group-aggregator", () => new GroupAggregatorActor(learner)),
            scorers = scorers,
            Generators = generators,
            prompts = Child("prompt-source", () => new PromptSourceActor(services.Setup.Phases, generators)),
        };

        IActorRef Child(string name, Func<ActorBase> make) => context.ActorOf(Props.CreateBy(new ActorMaker(make)), $"{name}-{beginning}");
    }

    /// <summary>Whom a worker's message is for.</summary>
    public IActorRef For(ToRun message) => message switch
    {
        WorkWanted or Heartbeat or WorkReturned or CompletionsOffered => Generators,
        CallsWanted or CallAnswered => scorers,
        _ => learner,
    };

    /// <summary>The run has come to another version.</summary>
    public void Announce(RunState run) => Broadcast(new VersionReached(run.Version.Steps, run.Policies.Keys.FirstOrDefault()), run);

    /// <param name="run">The state at which the effect became durable.</param>
    public void CarryOut(Effect effect, RunState run)
    {
        switch (effect)
        {
            case Effect.SendTickets:
                prompts.Tell(effect);
                break;
            case Effect.RunScorer:
                scorers.Tell(effect);
                break;
            case Effect.TrainBatch:
                if (Milestones.PresentVersionIsSpent(run))
                {
                    Broadcast(new VersionReached(run.Version.Steps, run.Version.Steps + 1), run); // the trainer may write over it, and samplers give back their copies
                }

                groups.Tell(new LearnerEffect(effect, run.Position));
                break;
            default:
                learner.Tell(new LearnerEffect(effect, run.Position));
                break;
        }
    }

    /// <summary>To the workers.</summary>
    public void Say(RunOver over)
    {
        foreach (IActorRef stage in new[] { Generators, scorers, learner })
        {
            stage.Tell(over);
        }
    }

    private void Broadcast(VersionReached reached, RunState run)
    {
        Generators.Tell(reached);
        scorers.Tell(new ScorerPoolActor.Reached(reached, run));
        learner.Tell(reached);
    }
}
