using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Deciding;
using GrpoActors.Journal;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Workers;

/// <summary>What a worker does about an engine actor that fails: the column "engine actor" of the table.</summary>
public sealed class WorkerActorTests : ActorSpec
{
    private const int RestartsMax = 3; // of the tiny run

    private readonly HurriedTime time = new();
    private readonly TinyRun tiny = new();
    private readonly RunSetup setup;
    private readonly CancellationTokenSource stop = new();
    private readonly TestProbe engines;
    private readonly WorkerServices services;

    public WorkerActorTests()
    {
        setup = tiny.Setup();
        engines = CreateTestProbe();
        tiny.Time = time;
        services = tiny.Services(setup) with { Stopping = stop.Token };
    }

    public static TheoryData<string, string, Exception> AtOnce { get; } = new()
    {
        { nameof(FailureResponse.StopStale), "it was overtaken", new StaleWriterException("it was overtaken") },
        { nameof(FailureResponse.StopRun), "no checkpoint is whole", new RunFailedException("no checkpoint is whole") },
        { nameof(FailureResponse.StopRun), "record 4 is damaged", new JournalDamagedException("record 4 is damaged", 4) },
    };

    [Fact]
    public void An_engine_that_fails_is_started_again_after_a_back_off_that_doubles()
    {
        Worker();
        for (int failure = 1; failure <= RestartsMax; failure++)
        {
            Fail(new InvalidOperationException("it broke"));
        }

        engines.ExpectMsg<Started>();
        Assert.Equal([100, 200, 400], time.Pauses.Select(pause => pause.TotalMilliseconds));
        Assert.Contains("Warning: engine failed and is started again (3 of 3): it broke", tiny.Log.Lines);
        ExpectNoMsg(0);
    }

    [Theory]
    [InlineData(0, RestartsMax + 1)]
    [InlineData(RestartBudget.StepsPerForgiveness - 1, RestartsMax + 1)]
    [InlineData(RestartBudget.StepsPerForgiveness, 50)]
    [InlineData(2 * RestartBudget.StepsPerForgiveness, 50)]
    public void A_failure_is_forgiven_after_a_stretch_of_steps_and_not_before(int stepsBetween, int failures)
    {
        IActorRef worker = Worker();
        for (int failure = 1; failure <= failures; failure++)
        {
            Fail(new InvalidOperationException("it broke"), worker, failure * stepsBetween);
        }

        if (failures > RestartsMax && stepsBetween < RestartBudget.StepsPerForgiveness)
        {
            Assert.Equal("engine failed 4 times, the last time with: it broke", ExpectMsg<WorkerGaveUp>().Failure.Message);
        }
        else
        {
            engines.ExpectMsg<Started>();
            ExpectNoMsg(0);
        }
    }

    [Fact]
    public void An_engine_that_breaks_again_and_again_at_the_end_of_a_long_run_is_given_up()
    {
        IActorRef worker = Worker();
        for (int failure = 1; failure <= 20; failure++)
        {
            Fail(new InvalidOperationException("it broke"), worker, failure * 100);
        }

        for (int failure = 1; failure <= RestartsMax; failure++)
        {
            Fail(new InvalidOperationException("it broke"));
        }

        WorkerGaveUp gaveUp = ExpectMsg<WorkerGaveUp>();
        Assert.Equal(FailureResponse.StopRun, gaveUp.Response);
        Assert.Equal("engine failed 4 times, the last time with: it broke", Assert.IsType<RunFailedException>(gaveUp.Failure).Message);
        engines.ExpectNoMsg(0);
    }

    [Theory]
    [MemberData(nameof(AtOnce))]
    public void A_failure_that_no_restart_mends_is_given_up_at_once(string response, string reason, Exception failure)
    {
        Worker();
        Fail(failure);
        WorkerGaveUp gaveUp = ExpectMsg<WorkerGaveUp>();
        Assert.Equal((response, reason), (gaveUp.Response.ToString(), gaveUp.Failure.Message));
        engines.ExpectNoMsg(0);
        Assert.Empty(time.Pauses);
    }

    [Fact]
    public void An_engine_that_cannot_even_be_made_is_started_again_too_and_is_not_taken_for_one_at_work()
    {
        int made = 0;
        Worker(() => ++made < 3 ? throw new InvalidOperationException("no such device") : new Engine(services, engines));
        engines.ExpectMsg<Started>();
        Assert.Equal(2, tiny.Log.Lines.Count(line => line.Contains("no such device", StringComparison.Ordinal)));
        Assert.Equal(["engine"], services.Busy.Names);
    }

    [Fact]
    public void What_breaks_once_the_work_is_wanted_no_more_is_no_failure()
    {
        Worker();
        stop.Cancel();
        IActorRef engine = Watch(engines.ExpectMsg<Started>().Engine);
        engine.Tell(new InvalidOperationException("it was broken off"));
        ExpectTerminated(engine);
        engines.ExpectNoMsg(0);
        Assert.Empty(tiny.Log.Lines);
    }

    [Fact]
    public void An_engine_that_stands_still_is_named_as_late_until_it_has_stopped()
    {
        using var gate = new ManualResetEventSlim();
        IActorRef worker = Watch(Worker());
        IActorRef engine = engines.ExpectMsg<Started>().Engine;
        engine.Tell(gate);
        engines.ExpectMsg<Standing>();
        Sys.Stop(worker);
        ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        Assert.Equal(["engine"], services.Busy.Names);
        gate.Set();
        ExpectTerminated(worker);
        Assert.Empty(services.Busy.Names);
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        setup.Dispose();
        tiny.Dispose();
        stop.Dispose();
    }

    private IActorRef Worker(Func<EngineActor>? make = null) => Examined(() => new OneEngine(services, TestActor, make ?? (() => new Engine(services, engines))));

    /// <summary>The present incarnation fails, at a version of the run.</summary>
    private void Fail(Exception failure, IActorRef? worker = null, long version = 0)
    {
        IActorRef engine = engines.ExpectMsg<Started>().Engine;
        worker?.Tell(new VersionReached(version, 0));
        engine.Tell(failure);
    }

    private sealed record Started(IActorRef Engine);

    private sealed record Standing;

    private sealed class OneEngine(WorkerServices services, IActorRef run, Func<EngineActor> make) : WorkerActor(services, "worker", run)
    {
        protected override void PreStart() => StartEngine("engine", make, "grpo.dispatchers.sampling", static () => { });
    }

    private sealed class Engine : EngineActor
    {
        private readonly IActorRef told;

        public Engine(WorkerServices services, IActorRef told)
            : base(services, "engine")
        {
            this.told = told;
            Receive<Exception>(failure => throw failure);
            Receive<ManualResetEventSlim>(gate =>
            {
                told.Tell(new Standing());
                gate.Wait();
            });
        }

        protected override void PreStart()
        {
            base.PreStart();
            told.Tell(new Started(Self));
        }
    }
}
