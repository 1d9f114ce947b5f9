using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Learning;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Composition;
using Xunit;

namespace GrpoActors.Actors.Tests.Learning;

/// <summary>A trainer over the journal of a tiny run that was stopped in front of a committed step; the learner is a probe.</summary>
public sealed class TrainerActorTests : ActorSpec, IAsyncLifetime
{
    private const long Step = 3;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(10);

    private readonly SteppedTime time = new();
    private readonly TinyRun tiny = new();
    private readonly TestProbe learner;
    private RunSetup setup = null!;
    private WorkerServices services = null!;
    private RunEvent.StepCommitted committed = null!;
    private RunState before = null!;
    private int updates, samples;

    public TrainerActorTests() => learner = CreateTestProbe();

    private Action<int> BeforeUpdate { get; set; } = _ => { };

    public async Task InitializeAsync()
    {
        await tiny.Train();
        List<RunEvent> events = tiny.Events();
        int at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: Step });
        committed = (RunEvent.StepCommitted)events[at];
        before = events.Take(at).Aggregate(RunState.Begin(tiny.Plan().Identity), (run, e) => run.Apply(e));
        tiny.Journal.Rewrite(events[..at]);
        foreach (string newer in Directory.GetDirectories(tiny.CheckpointFolder).Where(folder => string.CompareOrdinal(Path.GetFileName(folder), "step-000003") > 0))
        {
            Directory.Delete(newer, recursive: true);
        }

        tiny.Engine = engine => new FaultyEngine(engine) { BeforeUpdate = _ => BeforeUpdate(++updates), BeforeSample = _ => samples++ };
        tiny.Time = time;
        setup = tiny.Setup();
        services = tiny.Services(setup);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public void It_asks_with_the_checkpoints_that_it_has_and_with_the_lease_is_built_from_them_and_the_journal()
    {
        IActorRef trainer = Trainer();
        LeaseWanted wanted = learner.ExpectMsg<LeaseWanted>();
        Assert.Equal([2L], wanted.Checkpoints.Select(checkpoint => checkpoint.Step));
        Grant(trainer, term: 7);
        Built(term: 7);
        Assert.Contains("Information: Training steps 3 to 3 again from the journal", tiny.Log.Lines);
    }

    [Fact]
    public void A_batch_that_lies_in_the_journal_is_trained_to_the_bits_of_the_record()
    {
        IActorRef trainer = Standing();
        trainer.Tell(Batch());
        Command.BatchTrained trained = Reported<Command.BatchTrained>();
        Assert.Equal((Step, committed.Outputs.Update, committed.Outputs.Policy), (trained.Step, trained.Outputs.Update, trained.Outputs.Policy));
        updates = 0;
        trainer.Tell(Batch()); // the answer was lost
        Assert.Equal(committed.Outputs.Update, Reported<Command.BatchTrained>().Outputs.Update);
        Assert.Equal(0, updates);
    }

    [Fact]
    public void A_batch_that_the_journal_does_not_hold_yet_is_looked_for_again_a_little_later()
    {
        IActorRef trainer = Standing();
        trainer.Tell(Batch() with { Batch = Digest.Of("another") });
        AwaitAssert(() => Assert.Contains(tiny.Log.Lines, line => line.StartsWith("Warning: The batch of step 4 cannot be read: The journal at", StringComparison.Ordinal)));
        AwaitAssert(() =>
        {
            time.Pass(TimeSpan.FromSeconds(1));
            Assert.True(tiny.Log.Lines.Count(line => line.StartsWith("Warning: The batch of step 4 cannot be read", StringComparison.Ordinal)) > 1);
        });
    }

    [Fact]
    public void An_order_of_another_term_is_not_carried_out_and_one_without_the_lease_is_asked_for_again_with_it()
    {
        IActorRef trainer = Standing(Length);
        updates = 0;
        trainer.Tell(Batch() with { Term = 6 });
        time.Pass(Length);
        trainer.Tell(Batch()); // it came while this process was frozen, say
        Grant(trainer, 7, Length);
        Reported<Command.TrainerRestarted>();
        Assert.Equal(0, updates);
        trainer.Tell(Batch());
        Reported<Command.BatchTrained>();
    }

    [Fact]
    public void A_new_term_of_a_new_coordinator_keeps_the_weights_and_asks_for_everything_again()
    {
        IActorRef trainer = Standing();
        updates = 0;
        Grant(trainer, 8);
        Assert.Equal(8, Next<TrainerReport>(learner).Term);
        Assert.Equal(0, updates); // it is not built again
        trainer.Tell(Batch() with { Term = 8 });
        Reported<Command.BatchTrained>();
    }

    [Fact]
    public void A_trainer_that_is_denied_the_lease_stands_by_and_builds_itself_again_when_it_has_it()
    {
        IActorRef trainer = Standing();
        trainer.Tell(new LeaseDenied("node-2/trainer"));
        trainer.Tell(Batch());
        Grant(trainer, 9);
        Built(9);
        Assert.Contains("Warning: node-2/trainer is the trainer now; this node stands by", tiny.Log.Lines);
    }

    [Fact]
    public void A_trainer_that_leaves_or_gives_up_gives_the_lease_back()
    {
        IActorRef trainer = Standing();
        Sys.Stop(trainer);
        Assert.Equal((7L, "it leaves"), Returned());

        services = services with { Time = new HurriedTime() };
        BeforeUpdate = _ => throw new InvalidOperationException("no room on the device");
        trainer = Trainer();
        Grant(trainer, 8);
        const string Sentence = "trainer failed 4 times, the last time with: no room on the device";
        Assert.Equal((8L, Sentence), Returned());
        Assert.Equal(Sentence, ExpectMsg<WorkerGaveUp>().Failure.Message);

        (long, string) Returned()
        {
            LeaseReturned returned = Next<LeaseReturned>(learner);
            return (returned.Term, returned.Reason);
        }
    }

    [Fact]
    public void A_version_is_judged_once_however_often_it_is_asked_for_and_again_after_a_failure()
    {
        IActorRef trainer = Standing();
        var evaluate = new TrainerOrder(7, new Effect.Evaluate(before.Version));
        trainer.Tell(new TrainerOrder(7, new Effect.PublishVersion(before.Version, before.Policies[before.Version.Steps])));
        trainer.Tell(evaluate);
        Command.EvaluationDone done = Reported<Command.EvaluationDone>();
        int once = samples;
        trainer.Tell(evaluate);
        Assert.Equal(done, Reported<Command.EvaluationDone>());
        Assert.Equal(once, samples);
    }

    [Fact]
    public void It_can_be_drained_at_any_time_because_a_step_under_way_is_trained_again_to_the_same_bits()
    {
        Standing().Tell(Drain.Instance, TestActor);
        ExpectMsg<Drained>();
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        setup.Dispose();
        tiny.Dispose();
    }

    private TrainJournalled Batch() => new(7, Step, BatchOf.Step(before, committed.Inputs).Digest, before.Policies[before.Version.Steps], before.Position);

    private IActorRef Trainer() => Examined(() => new TrainerActor(services, "trainer", learner));

    /// <summary>A trainer of term 7.</summary>
    private IActorRef Standing(TimeSpan? lease = null)
    {
        IActorRef trainer = Trainer();
        learner.ExpectMsg<LeaseWanted>();
        Grant(trainer, 7, lease);
        Built(7);
        return trainer;
    }

    private void Grant(IActorRef trainer, long term, TimeSpan? lease = null) =>
        trainer.Tell(new LeaseGranted(term, time.GetTimestamp(), lease ?? Timeout.InfiniteTimeSpan, AcceptLostTail: false), learner);

    private void Built(long term) => Assert.Equal(term, ((TrainerReport)learner.FishForMessage(message => message is TrainerReport { Command: Command.TrainerRestarted }, Patience)).Term);

    private T Reported<T>()
        where T : Command => (T)((TrainerReport)learner.FishForMessage(message => message is TrainerReport { Command: T }, Patience)).Command;
}
