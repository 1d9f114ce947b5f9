using Akka.Actor;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Actors.Scoring;

/// <summary>Runs reward calls on a scoring thread, the completions of each under deadlines of their own.</summary>
internal sealed class RewardActor : EngineActor
{
    private static readonly int AtOnce = Math.Max(2, Environment.ProcessorCount);

    private readonly string name;

    public RewardActor(WorkerServices services, string name)
        : base(services, name)
    {
        this.name = name;
        Receive<ScoreCall>(call => Post(new Command.ScoreArrived(call, [.. Score(call)])));
    }

    protected override void PreStart()
    {
        base.PreStart();
        Context.Parent.Tell(new Ready(name));
    }

    private ScoreOutcome[] Score(ScoreCall call)
    {
        RunSetup setup = Services.Setup;
        PromptRow row = setup.Phases[call.Group.Phase].Rows[(int)call.Row];
        return DeadlineScheduler.Run(
            [.. call.Completions.Select(completion => (Func<Task<ScoreOutcome>>)(() => setup.Rewards.Score(call.Reward, row, completion, Services.Time, Services.Stopping)))],
            AtOnce, setup.Plan.Identity.Rewards[call.Reward].Deadline, Services.Time, Services.Stopping).GetAwaiter().GetResult();
    }

    /// <summary>It scores whatever comes next; the call that the one before broke off is to be said again.</summary>
    internal sealed record Ready(string Name);
}
