using GrpoActors.Journal.Tests;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Persistence.Sql;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Actors;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Coordination;
using GrpoActors.Actors.Persistence;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.RunFolders;
using Xunit;

namespace GrpoActors.Cluster.Tests.Coordination;

/// <summary>The run's supervisor over a real journal in SQLite, with a probe for its workers.</summary>
public sealed class RunSupervisorActorTests : TestKit
{
    private const int RestartsMax = 2;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TemporaryFolder folder;
    private readonly RunSetup setup;
    private readonly RunStanding standing = new();
    private readonly BulkClient bulk = new(new BulkClientOptions(), null, null, TimeProvider.System);
    private readonly TestProbe worker, begun;
    private readonly IActorRef supervisor;
    private long asked;

    public RunSupervisorActorTests()
        : this(new TemporaryFolder())
    {
    }

    private RunSupervisorActorTests(TemporaryFolder folder)
        : this(folder, Composed(folder))
    {
    }

    private RunSupervisorActorTests(TemporaryFolder folder, RunSetup setup)
        : this(folder, setup, RunJournal.Of(null, folder.File("run"), setup.Identity))
    {
    }

    private RunSupervisorActorTests(TemporaryFolder folder, RunSetup setup, RunJournal journal)
        : base(Setup(journal))
    {
        (this.folder, this.setup) = (folder, setup);
        worker = CreateTestProbe();
        begun = CreateTestProbe();
        IActorRef told = begun.Ref;
        var services = new CoordinatorServices(
            setup,
            () => new CoordinatorFolder(RunFolder.Open(folder.File("run")), Owned: true),
            () =>
            {
                told.Tell(new Begun());
                journal.Prepare();
                return journal;
            },
            bulk, new NodeShelf(new NodeShelfOptions(), TimeProvider.System), standing, TimeSpan.FromMinutes(1), Patience, RestartsMax, 256, _ => { }, TimeProvider.System);
        supervisor = Sys.ActorOf(Props.Create(() => new RunSupervisorActor(services)), "run");
    }

    private static RunSetup Composed(TemporaryFolder folder)
    {
        TinyRunFiles.Write(folder.Path);
        var settings = new GrpoRunSettings { Overrides = [("run_dir", folder.File("run"))] };
        return RunComposition.Build(GrpoRun.Check(folder.File(TinyRunFiles.RunFile), settings).PlanOrThrow(), settings.Rewards);
    }

    private static ActorSystemSetup Setup(RunJournal journal) =>
        BootstrapSetup.Create().WithConfig(ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = local }")
            .WithFallback(NodeHocon.Reference)
            .WithFallback(SqlPersistence.DefaultConfiguration))
        .And(JournalSetup.Of(journal));

    [Fact]
    public void When_a_stage_throws_all_begin_again_from_the_journal_under_a_new_term()
    {
        long term = Granted();
        begun.ExpectMsg<Begun>(Patience);
        Sys.ActorSelection(supervisor.Path / "learner-1").Tell(new Fold([new RunEvent.GroupClosed(new GroupId(1, GroupStream.Primary, 99), DropReason.None)]));
        begun.ExpectMsg<Begun>(Patience);
        Assert.NotEqual(term, Granted());
        Assert.False(standing.Ended.IsCompleted);
    }

    [Fact]
    public void When_an_append_fails_the_run_goes_on_from_what_the_journal_holds()
    {
        Granted();
        begun.ExpectMsg<Begun>(Patience);
        supervisor.Tell(new JournalFailed("An append failed.", Stale: false));
        begun.ExpectMsg<Begun>(Patience);
        Granted();
        Assert.Equal(1, standing.Numbers().Single(number => number.Name == "grpo.restarts_total").Value);
    }

    [Fact]
    public void A_stale_coordinator_stops_for_good_and_speaks_for_nobody()
    {
        Granted();
        begun.ExpectMsg<Begun>(Patience);
        supervisor.Tell(new JournalFailed("Another process has appended.", Stale: true));
        AwaitAssert(() => Assert.Equal(new RunOutcome.Failed("Another process has appended."), Ended()), Patience);
        Ask();
        worker.ExpectNoMsg(TimeSpan.FromMilliseconds(300));
        begun.ExpectNoMsg(TimeSpan.Zero);
    }

    [Fact]
    public void It_gives_up_after_so_many_failures_without_a_step_and_tells_whoever_asks()
    {
        for (int i = 0; i <= RestartsMax; i++)
        {
            begun.ExpectMsg<Begun>(Patience);
            supervisor.Tell(new JournalFailed("The disk is full.", Stale: false));
        }

        AwaitAssert(() => Assert.Equal(new RunOutcome.Failed("The coordinator failed 3 times without a committed step between, the last time with: The disk is full."), Ended()), Patience);
        Ask();
        Assert.EndsWith("The disk is full.", worker.ExpectMsg<RunOver>().Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_worker_of_another_plan_or_of_other_kernels_is_refused_with_the_reason()
    {
        Granted();
        supervisor.Tell(new WorkWanted(new Introduction("g", Digest.Of("another plan"), setup.Plan.Identity.NumericsRevision), 1), worker);
        Assert.StartsWith("its plan is another one", worker.ExpectMsg<Refused>(Patience).Reason, StringComparison.Ordinal);
        supervisor.Tell(new CallsWanted(new Introduction("s", setup.Identity, "other"), 1), worker);
        Assert.StartsWith("its kernels are of revision other", worker.ExpectMsg<Refused>(Patience).Reason, StringComparison.Ordinal);
        Assert.Equal((0, 0), (standing.Generators, standing.Scorers));
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        bulk.Dispose();
        setup.Dispose();
        folder.Dispose();
    }

    private RunOutcome? Ended() => standing.Ended.IsCompleted ? standing.Ended.Result : null;

    private void Ask() => supervisor.Tell(new LeaseWanted(new Introduction("t/trainer", setup.Identity, setup.Plan.Identity.NumericsRevision), ++asked, []), worker);

    /// <summary>Asks as a trainer does, again and again while the supervisor recovers.</summary>
    private long Granted()
    {
        LeaseGranted? granted = null;
        AwaitAssert(
            () =>
            {
                Ask();
                granted = (LeaseGranted?)worker.FishForMessage(message => message is LeaseGranted answer && answer.AskedAt == asked, TimeSpan.FromMilliseconds(200));
            },
            Patience);
        return granted!.Term;
    }

    private sealed record Begun;
}
