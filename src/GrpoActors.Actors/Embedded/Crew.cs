using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Embedded;

/// <summary>The workers of a run in this process, and the effect runner: hands each effect to the worker that brings it about.</summary>
internal sealed class Crew : IAsyncDisposable
{
    private readonly Dictionary<WorkerId, Generator> generators;
    private readonly ScoreCalls scoreCalls = new();
    private readonly Trainer trainer;
    private readonly Evaluator evaluator;
    private readonly WeightStore weights = new();
    private readonly Deadlines deadlines;
    private readonly Supervisor supervisor;
    private readonly RunSetup setup;
    private readonly Func<RunState> run;
    private readonly Action<Command> post;
    private readonly Action<Exception> fail;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource stopping = new();

    /// <param name="run">The run's present state.</param>
    public Crew(RunSetup setup, Recovery recovery, ICheckpointStore checkpoints, Func<RunState> run, Action<Command> post, Action<Exception> fail, TimeProvider time, ILogger log)
    {
        this.setup = setup;
        this.run = run;
        this.post = post;
        this.fail = fail;
        this.time = time;
        int count = setup.Plan.Operation.Generators;
        generators = Enumerable.Range(1, count)
            .Select(i => new Generator(new WorkerId($"generator-{i}"), setup, weights, RunComposition.GroupsPerGenerator(setup.Plan), post))
            .ToDictionary(generator => generator.Id);
        trainer = new Trainer(setup, recovery, checkpoints, weights, post, log);
        evaluator = new Evaluator(setup, weights, time, post);
        deadlines = new Deadlines(time, deadline => post(new Command.DeadlinePassed(deadline)));
        supervisor = new Supervisor(setup.Plan.Operation.WorkerRestartsMax, () => run().Version.Steps, log, time, fail);
    }

    public void Start()
    {
        supervisor.Start("trainer", trainer.Work, () => { }, stopping.Token);
        if (setup.HeldOut is not null)
        {
            supervisor.Start("evaluator", evaluator.Work, () => { }, stopping.Token);
        }

        foreach (Generator generator in generators.Values)
        {
            supervisor.Start(generator.Id.Name, generator.Work, () => post(new Command.GeneratorLeft(generator.Id)), stopping.Token);
        }

        for (int i = 1; i <= setup.Plan.Operation.Scorers; i++)
        {
            var scorer = new Scorer(setup, scoreCalls, time, post);
            supervisor.Start($"scorer-{i}", scorer.Work, () => { }, stopping.Token);
        }
    }

    public void Run(Effect effect)
    {
        switch (effect)
        {
            case Effect.SendTickets x:
                generators[x.Generator].Send(x.Tickets);
                break;
            case Effect.RunScorer x:
                scoreCalls.Add(x.Call);
                break;
            case Effect.Evaluate x:
                evaluator.Send(x.Version);
                break;
            case Effect.SetDeadline x:
                deadlines.Set(x.Deadline, x.After);
                break;
            case Effect.TrainBatch x:
                if (run() is var at && Milestones.PresentVersionIsSpent(at))
                {
                    weights.RetireBelow(at.Version.Steps + 1); // the trainer may write over it, and samplers give back their copies
                }

                trainer.Send(x);
                break;
            case Effect.StopRun x:
                fail(new RunFailedException(x.Reason));
                break;
            default:
                trainer.Send(effect);
                break;
        }
    }

    /// <summary>Versions that no open group needs are let go.</summary>
    public void RetireWeightsBelow(PolicyVersion version) => weights.RetireBelow(version.Steps);

    /// <summary>Disposing waits for all a while and no longer: somebody may stand still. Who wakes afterwards finds the run stopped and goes.</summary>
    public void LeaveBehind() => supervisor.LeavesBehind = true;

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await supervisor.WhenAllStopped();
        deadlines.Dispose();
        weights.RetireBelow(long.MaxValue);
        stopping.Dispose();
    }
}
