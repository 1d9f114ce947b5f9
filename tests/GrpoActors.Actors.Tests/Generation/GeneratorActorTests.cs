using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Composition;
using Xunit;

namespace GrpoActors.Actors.Tests.Generation;

/// <summary>A generator with the real engine and a thousand weights; the pool is a probe.</summary>
public sealed class GeneratorActorTests : ActorSpec
{
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(5);

    private readonly SteppedTime time = new();
    private readonly TinyRun tiny = new();
    private readonly RunSetup setup;
    private readonly StoredContents contents = new();
    private readonly TestProbe pool;
    private readonly WorkerServices services;
    private readonly WeightsRef weights;
    private int sampled;

    public GeneratorActorTests()
    {
        tiny.Time = time;
        tiny.Engine = engine => new FaultyEngine(engine) { BeforeSample = k => BeforeSample(sampled = k) };
        setup = tiny.Setup();
        services = tiny.Services(setup) with { Contents = contents, AskAgainAfter = AskAgainAfter };
        weights = new WeightsRef(new PolicyVersion(0));
        pool = CreateTestProbe();
    }

    private Action<int> BeforeSample { get; set; } = _ => { };

    [Fact]
    public void It_asks_says_so_again_while_nothing_comes_and_answers_each_ticket_before_it_asks_anew()
    {
        IActorRef generator = Generator();
        long ask = Asked();
        time.Pass(AskAgainAfter);
        Assert.Equal(ask, Asked());
        generator.Tell(new TicketsIssued(ask, [Prompted(1), Prompted(2)], weights));
        Assert.Equal([Group(1), Group(2)], new[] { Next<CompletionsOffered>(pool), Next<CompletionsOffered>(pool) }.Select(x => x.Ticket.Group));
        Assert.Equal(ask + 1, Asked());
        Assert.Equal(2, contents.Held);
        time.Pass(AskAgainAfter);
        Assert.Equal(ask + 1, Asked());
    }

    [Fact]
    public void Tickets_that_answer_another_ask_or_come_twice_are_passed_over()
    {
        IActorRef generator = Generator();
        long ask = Asked();
        generator.Tell(new TicketsIssued(ask - 1, [Prompted(1)], weights));
        generator.Tell(new TicketsIssued(ask, [Prompted(2)], weights));
        generator.Tell(new TicketsIssued(ask, [Prompted(2)], weights));
        Assert.Equal(Group(2), Next<CompletionsOffered>(pool).Ticket.Group);
        Assert.Equal(ask + 1, Asked());
        Assert.Equal(1, sampled);
    }

    [Fact]
    public void Weights_that_are_announced_are_brought_early_and_those_of_tickets_before_they_are_sampled()
    {
        var brought = new TaskCompletionSource();
        contents.Bringing = x =>
        {
            pool.Ref.Tell(x);
            return brought.Task;
        };
        IActorRef generator = Generator();
        long ask = Asked();
        generator.Tell(new WeightsAnnounced(Served(0), RetireBelow: 0));
        Assert.Equal(Served(0), pool.ExpectMsg<WeightsRef>());
        generator.Tell(new WeightsAnnounced(Served(0), RetireBelow: 1)); // needed no more
        generator.Tell(new TicketsIssued(ask, [Prompted(1)], Served(0)));
        pool.ExpectMsg<WeightsRef>();
        pool.ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        brought.SetResult();
        Next<CompletionsOffered>(pool);
    }

    [Fact]
    public void Tickets_whose_weights_cannot_be_had_are_given_back_with_the_reason()
    {
        contents.Bringing = _ => Task.FromException(new IOException("connection refused"));
        IActorRef generator = Generator();
        long ask = Asked();
        generator.Tell(new TicketsIssued(ask, [Prompted(1)], Served(0)));
        Assert.Equal("it cannot get the weights of v0: connection refused", pool.ExpectMsg<WorkReturned>().Reason);
        Assert.Equal(ask + 1, Asked());
    }

    [Fact]
    public void A_sampler_that_fails_gives_back_what_it_held_and_the_next_one_asks_anew()
    {
        tiny.Time = new HurriedTime();
        BeforeSample = k =>
        {
            if (k == 1)
            {
                throw new InvalidOperationException("it broke");
            }
        };
        IActorRef generator = Generator(services with { Time = new HurriedTime() });
        long ask = Asked();
        generator.Tell(new TicketsIssued(ask, [Prompted(1)], weights));
        Assert.Equal("its sampler failed and is started again", Next<WorkReturned>(pool).Reason);
        Assert.Equal(ask + 1, Asked());
        generator.Tell(new TicketsIssued(ask + 1, [Prompted(1)], weights));
        Next<CompletionsOffered>(pool);
        Assert.Contains("Warning: generator-1 failed and is started again (1 of 3): it broke", tiny.Log.Lines);
    }

    [Fact]
    public void A_heartbeat_is_sent_while_it_samples_and_no_more_than_one_a_second()
    {
        IActorRef generator = Generator();
        BeforeSample = k => time.Pass(TimeSpan.FromSeconds(k)); // each draw takes long, its tokens no time
        long ask = Asked();
        generator.Tell(new TicketsIssued(ask, [Prompted(1)], weights));
        pool.ExpectMsg<Heartbeat>();
        pool.ExpectMsg<CompletionsOffered>();
        ask = Asked();
        generator.Tell(new TicketsIssued(ask, [Prompted(2)], weights));
        pool.ExpectMsg<Heartbeat>();
        pool.ExpectMsg<CompletionsOffered>();
    }

    [Fact]
    public void One_that_drains_finishes_what_it_holds_and_asks_no_more()
    {
        using var gate = new ManualResetEventSlim();
        BeforeSample = _ => gate.Wait();
        IActorRef generator = Generator();
        generator.Tell(new TicketsIssued(Asked(), [Prompted(1)], weights));
        generator.Tell(Drain.Instance, TestActor);
        ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        gate.Set();
        ExpectMsg<Drained>();
        Next<CompletionsOffered>(pool);
        time.Pass(AskAgainAfter);
        pool.ExpectNoMsg(TimeSpan.FromMilliseconds(50));
    }

    [Fact]
    public void One_that_is_idle_is_drained_at_once_and_one_that_leaves_says_so()
    {
        IActorRef generator = Generator();
        Asked();
        generator.Tell(Drain.Instance, TestActor);
        ExpectMsg<Drained>();
        Sys.Stop(generator);
        Assert.Equal("it leaves", pool.ExpectMsg<WorkReturned>().Reason);
        AwaitAssert(() => Assert.Empty(services.Busy.Names));
    }

    [Fact]
    public void A_refusal_by_the_coordinator_ends_the_run_here_with_its_reason()
    {
        Generator().Tell(new Refused("its plan is another one."));
        Assert.Equal("refused by the coordinator: its plan is another one.", ExpectMsg<GrpoActors.Actors.Supervision.WorkerGaveUp>().Failure.Message);
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        setup.Dispose();
        tiny.Dispose();
    }

    private static PromptedTicket Prompted(long ordinal) => new(Ticket(ordinal), default);

    private IActorRef Generator(WorkerServices? given = null) => Examined(() => new GeneratorActor(given ?? services, "generator-1", pool));

    private long Asked() => Next<WorkWanted>(pool).Ask;
}
