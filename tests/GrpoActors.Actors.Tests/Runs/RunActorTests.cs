using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>The run's actor over a journal that does as the test says, with a probe for its workers: the column "journal, stage or worker actor" of the table.</summary>
public sealed class RunActorTests : ActorSpec
{
    private const int RestartsMax = 2;

    private readonly TinyRun tiny = new();
    private readonly RunSetup setup;
    private readonly RunFolder folder;
    private readonly RunStatus status = new();
    private readonly MemoryJournal journal;
    private readonly TestProbe worker, begun;
    private RunServices services;
    private long asked;

    public RunActorTests()
    {
        setup = tiny.Setup();
        folder = RunFolder.Open(tiny.Folder);
        journal = new MemoryJournal(setup.Plan.Identity);
        worker = CreateTestProbe();
        begun = CreateTestProbe();
        services = new RunServices
        {
            Setup = setup,
            OpenLog = () => new RunLog(setup, folder, ownsFolder: false, PhysicalDisk.Instance, static _ => { }, TimeProvider.System),
            Journal = tiny.Journal.Journal,
            OpenJournal = (_, _) =>
            {
                begun.Ref.Tell(new Begun());
                return journal.Props;
            },
            Contents = new StoredContents(),
            Status = status,
            Instruments = new RunInstruments(status),
            Log = Logged,
            Workers = WorkerPlacement.Elsewhere(setup.Plan),
            LeaseDuration = TimeSpan.FromMinutes(1),
            RestartsMax = RestartsMax,
            Time = new HurriedTime(),
        };
    }

    public static TheoryData<string, Exception> Final { get; } = new()
    {
        { "damaged", new JournalDamagedException("Record 4 is damaged.", 4) },
        { "the run cannot go on", new RunFailedException("No checkpoint of step 4 is whole.") },
    };

    [Fact]
    public void When_a_stage_throws_all_begin_again_from_the_journal_under_a_new_term()
    {
        using var restarts = new Counted(services.Instruments.Restarts);
        IActorRef run = Run();
        long term = Granted(run);
        begun.ExpectMsg<Begun>();
        int kept = journal.Events.Length;
        Sys.ActorSelection(run.Path / "generator-pool-1").Tell(new ChildFailed(worker, new InvalidOperationException("a bug")));
        begun.ExpectMsg<Begun>();
        Assert.NotEqual(term, Granted(run));
        Assert.True(journal.Events.Length >= kept);
        Assert.False(status.Ended.IsCompleted);
        Assert.Equal(1, restarts.Sum);
        Assert.Contains("Warning: The run begins again from its journal (1 of 2): " + $"{worker.Ref.Path.Name} failed: a bug", Logged.Lines);
    }

    [Fact]
    public void When_an_append_fails_the_run_goes_on_from_what_the_journal_holds()
    {
        int appends = 0;
        journal.Answer = append => ++appends == 1 ? new JournalFailed("The disk is full.", Stale: false) : new Appended(append.ExpectedPosition + append.Events.Length);
        IActorRef run = Run();
        begun.ExpectMsg<Begun>();
        begun.ExpectMsg<Begun>();
        Granted(run);
        Assert.Contains("Warning: The run begins again from its journal (1 of 2): The disk is full.", Logged.Lines);
        AwaitAssert(() => Assert.NotEmpty(journal.Events));
    }

    [Fact]
    public void It_gives_up_after_so_many_failures_without_a_step_and_tells_whoever_asks()
    {
        journal.Answer = static _ => new JournalFailed("The disk is full.", Stale: false);
        IActorRef run = Run();
        Assert.Equal("The disk is full.", Assert.IsType<StorageException>(Failure()).Message);
        Assert.Equal(1 + RestartsMax, begun.ReceiveN(1 + RestartsMax).Count);
        begun.ExpectNoMsg(0);
        Ask(run);
        Assert.Equal("The disk is full.", worker.ExpectMsg<RunOver>().Failure);
    }

    [Fact]
    public void A_stale_run_stops_for_good_and_tells_no_worker_anything()
    {
        IActorRef run = Run();
        Granted(run);
        worker.FishForMessage(message => message is VersionReached);
        begun.ExpectMsg<Begun>();
        run.Tell(new JournalFailed("Another process has appended.", Stale: true));
        Assert.Equal("Another process has appended.", Assert.IsType<StaleWriterException>(Failure()).Message);
        Assert.DoesNotContain(worker.ReceiveWhile<object>(told => told, idle: TimeSpan.FromMilliseconds(300)), told => told is RunOver);
        Ask(run);
        worker.ExpectNoMsg(TimeSpan.FromMilliseconds(300));
        begun.ExpectNoMsg(0);
    }

    [Theory]
    [MemberData(nameof(Final))]
    public void What_no_beginning_mends_stops_the_run_at_once_with_its_sentence(string what, Exception failure)
    {
        Assert.NotEmpty(what);
        journal.Recovering = () => throw failure;
        IActorRef run = Run();
        Assert.Same(failure, Failure());
        begun.ExpectMsg<Begun>();
        begun.ExpectNoMsg(0);
        Ask(run);
        Assert.Equal(failure.Message, worker.ExpectMsg<RunOver>().Failure);
        Assert.DoesNotContain(Logged.Lines, line => line.Contains("begins again", StringComparison.Ordinal));
    }

    [Fact]
    public void A_journal_that_cannot_be_read_now_is_read_again()
    {
        int recoveries = 0;
        journal.Recovering = () =>
        {
            if (++recoveries <= RestartsMax)
            {
                throw new StorageException("The database cannot be reached.");
            }
        };
        Granted(Run());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Files_that_cannot_be_opened_end_the_run_after_so_many_tries_whatever_is_wrong_with_them(bool known)
    {
        Exception failure = known ? new StorageException("The disk is full.") : new InvalidOperationException("a bug");
        int opened = 0;
        services = services with
        {
            OpenLog = () =>
            {
                opened++;
                throw failure;
            },
        };
        Run();
        Assert.Same(failure, Failure());
        Assert.Equal(1 + RestartsMax, opened);
    }

    [Fact]
    public void A_failure_of_its_own_begins_the_run_again_and_is_no_less_bounded()
    {
        var failure = new IOException("no room for metrics.jsonl");
        services = services with { CrashPoints = CrashPoints.Watching(point => _ = point == "appended RunStarted" ? throw failure : 0) };
        Run();
        begun.ExpectMsg<Begun>();
        begun.ExpectMsg<Begun>(); // what was appended is kept, and not appended again
        AwaitAssert(() => Assert.Single(journal.Events, e => e is RunEvent.RunStarted));
        Assert.Contains(Logged.Lines, line => line.EndsWith("(1 of 2): no room for metrics.jsonl", StringComparison.Ordinal));
    }

    [Fact]
    public void A_worker_of_another_plan_or_of_other_kernels_is_refused_with_the_reason()
    {
        IActorRef run = Run();
        Granted(run);
        run.Tell(new WorkWanted(new WorkerIdentity("g", Digest.Of("another plan"), setup.Plan.Identity.NumericsRevision), 1), worker);
        Assert.StartsWith("its plan is another one", Next<Refused>(worker).Reason, StringComparison.Ordinal);
        run.Tell(new CallsWanted(new WorkerIdentity("s", setup.Identity, "other"), 1), worker);
        Assert.StartsWith("its kernels are of revision other", Next<Refused>(worker).Reason, StringComparison.Ordinal);
        Assert.Equal((0, 0), (status.Generators, status.Scorers));
        Assert.Equal(2, Logged.Lines.Count(line => line.Contains("is refused", StringComparison.Ordinal)));
    }

    [Fact]
    public void An_append_that_is_under_way_is_waited_for_before_the_run_stops()
    {
        using var answered = new ManualResetEventSlim();
        Append? held = null;
        journal.Answer = append =>
        {
            held = append;
            answered.Set();
            return null;
        };
        IActorRef run = Watch(Run());
        Assert.True(answered.Wait(Patience));
        run.Tell(RunActor.Stop.Instance);
        ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        run.Tell(new Appended(held!.ExpectedPosition + held.Events.Length));
        ExpectTerminated(run);
        Assert.Equal(held.Events.Length, status.Run?.Position ?? held.Events.Length);
    }

    [Fact]
    public void An_append_that_is_not_answered_in_time_counts_as_failed_and_the_run_begins_again_once_its_journal_has_stopped()
    {
        using var gate = new ManualResetEventSlim();
        var time = new SteppedTime();
        services = services with { Time = time };
        using var appending = new ManualResetEventSlim();
        journal.Answer = append =>
        {
            if (!appending.IsSet)
            {
                appending.Set();
                gate.Wait();
            }

            return new Appended(append.ExpectedPosition + append.Events.Length);
        };
        Run();
        begun.ExpectMsg<Begun>();
        Assert.True(appending.Wait(Patience));
        AwaitAssert(() =>
        {
            time.Pass(TimeSpan.FromSeconds(10));
            Assert.Contains(Logged.Lines, line => line.EndsWith("An append to the journal was not answered within 60 s: whether it was kept is found out by reading.", StringComparison.Ordinal));
        });
        time.Pass(TimeSpan.FromSeconds(10)); // longer than the back-off
        begun.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        gate.Set();
        begun.ExpectMsg<Begun>();
        AwaitAssert(() => Assert.Single(journal.Events, e => e is RunEvent.RunStarted)); // it was kept
    }

    [Fact]
    public void Where_an_actor_of_the_beginning_before_never_stops_the_run_ends_with_what_went_wrong()
    {
        using var gate = new ManualResetEventSlim();
        var time = new SteppedTime();
        services = services with { Time = time };
        using var appending = new ManualResetEventSlim();
        journal.Answer = append =>
        {
            appending.Set();
            gate.Wait();
            return null;
        };
        IActorRef run = Run();
        Assert.True(appending.Wait(Patience));
        AwaitAssert(() =>
        {
            time.Pass(TimeSpan.FromMinutes(1));
            Assert.True(status.Ended.IsCompleted);
        });
        Assert.StartsWith("An append to the journal was not answered", Failure().Message, StringComparison.Ordinal);
        gate.Set();
        Watch(run).Tell(RunActor.Stop.Instance);
        ExpectTerminated(run);
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        setup.Dispose();
        folder.Dispose();
        tiny.Dispose();
    }

    private IActorRef Run() => Sys.ActorOf(Props.CreateBy(new ActorMaker(() => new RunActor(services))), "run");

    private Exception Failure()
    {
        Assert.True(status.Ended.Wait(Patience));
        return Assert.IsType<RunOutcome.Failed>(status.Ended.Result).Failure;
    }

    private WorkerIdentity Here(string name) => new(name, setup.Identity, setup.Plan.Identity.NumericsRevision);

    private void Ask(IActorRef run) => run.Tell(new LeaseWanted(Here("t/trainer"), ++asked, []), worker);

    /// <summary>Asks as a trainer does, again and again while the run recovers.</summary>
    private long Granted(IActorRef run)
    {
        LeaseGranted? granted = null;
        AwaitAssert(
            () =>
            {
                Ask(run);
                granted = (LeaseGranted?)worker.FishForMessage(message => message is LeaseGranted answer && answer.AskedAt == asked, TimeSpan.FromMilliseconds(200));
            },
            Patience);
        return granted!.Term;
    }

    private sealed record Begun;
}
