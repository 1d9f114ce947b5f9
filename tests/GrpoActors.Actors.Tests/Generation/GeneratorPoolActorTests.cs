using System.Collections.Immutable;
using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Actors.Tests.Generation;

public sealed class GeneratorPoolActorTests : ActorSpec
{
    private static readonly WorkerId First = new("g1"), Second = new("g2");

    private readonly StoredContents contents = new();
    private readonly TestProbe scorers, worker;
    private readonly IActorRef pool;

    public GeneratorPoolActorTests()
    {
        scorers = CreateTestProbe();
        worker = CreateTestProbe();
        pool = Examined(() => new GeneratorPoolActor(Logged, [], contents, scorers, generators => 100 / generators));
    }

    [Fact]
    public void A_generator_is_known_by_its_first_ask_and_an_ask_is_passed_on_once()
    {
        Ask(worker, First, 1);
        Ask(worker, First, 1); // nothing came: it says it again
        Ask(worker, First, 2);
        ExpectMsg(new Command.GeneratorJoined(First));
        ExpectMsg(new GeneratorPoolActor.Known(1));
        ExpectMsg(new Command.WorkAsked(First, 100));
        ExpectMsg(new Command.WorkAsked(First, 100));
        Ask(CreateTestProbe(), Second, 1);
        ExpectMsg(new Command.GeneratorJoined(Second));
        ExpectMsg(new GeneratorPoolActor.Known(2));
        ExpectMsg(new Command.WorkAsked(Second, 50));
    }

    [Fact]
    public void Tickets_that_were_lost_on_the_way_are_sent_again_to_the_same_ask()
    {
        Publish(0);
        Ask(worker, First, 1);
        Send(First, 4);
        TicketsIssued issued = Next<TicketsIssued>(worker);
        Assert.Equal((1L, Group(4), Served(0)), (issued.Ask, issued.Tickets.Single().Ticket.Group, issued.Weights));
        Ask(worker, First, 1);
        Assert.Same(issued, Next<TicketsIssued>(worker));
        Next<Command.WorkAsked>();
        Ask(worker, First, 2);
        ExpectMsg(new Command.WorkAsked(First, 100)); // the ask that was answered again is not one of them
    }

    [Fact]
    public void Tickets_of_a_version_that_is_served_nowhere_wait_until_it_is()
    {
        Publish(0);
        Ask(worker, First, 1);
        Next<WeightsAnnounced>(worker);
        pool.Tell(new WeightsLost());
        Send(First, 4);
        Publish(0);
        worker.ExpectMsg<WeightsAnnounced>(); // before the tickets, and so without them until now
        Assert.Equal(Group(4), worker.ExpectMsg<TicketsIssued>().Tickets.Single().Ticket.Group);
    }

    [Fact]
    public void One_that_leaves_gives_back_what_it_held_and_what_waits_for_it_is_dropped()
    {
        Ask(worker, First, 1);
        Send(First, 4);
        Sys.Stop(worker);
        Assert.Equal(First, Next<Command.GeneratorLeft>().Generator);
        ExpectMsg(new GeneratorPoolActor.Known(0));
        Assert.Equal("g1", scorers.ExpectMsg<HolderLeft>().Holder);
        TestProbe successor = CreateTestProbe();
        Ask(successor, First, 1);
        successor.ExpectMsg<VersionReached>();
        Publish(0);
        successor.ExpectMsg<WeightsAnnounced>();
        pool.Tell(new RunOver(null));
        successor.ExpectMsg<RunOver>();
    }

    [Fact]
    public void One_that_gives_back_its_work_leaves_and_joins_with_its_next_ask()
    {
        Ask(worker, First, 1);
        pool.Tell(new WorkReturned(Named("g1"), "its sampler failed"), worker);
        Ask(worker, First, 2);
        Assert.Equal(
            [new Command.GeneratorJoined(First), new Command.WorkAsked(First, 100), new Command.GeneratorLeft(First), new Command.GeneratorJoined(First), new Command.WorkAsked(First, 100)],
            ReceiveN(8).OfType<Command>());
        Assert.Contains("Warning: g1 gives back what it held: its sampler failed", Logged.Lines);
    }

    [Fact]
    public void A_new_process_of_the_same_name_takes_the_place_of_the_one_before()
    {
        Ask(worker, First, 1);
        TestProbe successor = CreateTestProbe();
        Ask(successor, First, 1);
        successor.ExpectMsg<VersionReached>();
        Publish(0);
        successor.ExpectMsg<WeightsAnnounced>();
        Sys.Stop(worker); // which was replaced, and so leaves nothing
        Send(First, 4);
        successor.ExpectMsg<TicketsIssued>();
    }

    [Fact]
    public void One_that_joins_is_told_the_run_s_version_and_where_weights_are_that_are_still_needed()
    {
        Publish(0);
        Publish(1);
        pool.Tell(new VersionReached(2, RetireBelow: 1));
        Ask(worker, First, 1);
        Assert.Equal(new VersionReached(2, 1), worker.ExpectMsg<VersionReached>());
        Assert.Equal(1, worker.ExpectMsg<WeightsAnnounced>().Weights.Version.Steps);
        pool.Tell(new RunOver(null));
        worker.ExpectMsg<RunOver>(); // and of the retired one nothing
    }

    [Fact]
    public void Completions_become_an_answer_once_they_are_here_and_the_scorer_pool_is_told_where_they_lie()
    {
        var fetched = new TaskCompletionSource<ImmutableArray<Completion>>();
        contents.Getting = _ => fetched.Task;
        CompletionsRef at = StoredContents.Address("completions");
        pool.Tell(new CompletionsOffered(Named("g1"), Ticket(4), Digest.Of("policy 0"), TimeSpan.FromSeconds(1), at), worker);
        Next<GeneratorPoolActor.Known>();
        ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        Completion completion = new(0, [3, 2], [-0.5f, -0.25f], FinishReason.Eos);
        fetched.SetResult([completion]);
        Command.CompletionsArrived arrived = Next<Command.CompletionsArrived>();
        Assert.Equal((First, Group(4), completion), (arrived.Generator, arrived.Ticket.Group, arrived.Completions.Single()));
        Assert.Equal(new CompletionsAt(Group(4), at, "g1"), scorers.ExpectMsg<CompletionsAt>());
    }

    [Fact]
    public void An_ask_waits_for_completions_that_are_under_way_so_that_their_group_is_not_sampled_again()
    {
        var fetched = new TaskCompletionSource<ImmutableArray<Completion>>();
        contents.Getting = _ => fetched.Task;
        pool.Tell(new CompletionsOffered(Named("g1"), Ticket(4), Digest.Of("policy 0"), TimeSpan.FromSeconds(1), StoredContents.Address("completions")), worker);
        Ask(worker, First, 2);
        Next<GeneratorPoolActor.Known>();
        ExpectNoMsg(TimeSpan.FromMilliseconds(50));
        fetched.SetResult([]);
        ExpectMsg<Command.CompletionsArrived>();
        ExpectMsg(new Command.WorkAsked(First, 100));
    }

    [Fact]
    public void Tickets_of_a_version_that_is_retired_meanwhile_are_dropped_and_the_same_ask_counts_again()
    {
        Publish(0);
        Ask(worker, First, 1);
        Next<Command.WorkAsked>();
        pool.Tell(new VersionReached(1, 1));
        Send(First, 4);
        Ask(worker, First, 1);
        ExpectMsg(new Command.WorkAsked(First, 100));
    }

    [Fact]
    public void Completions_that_cannot_be_had_are_named_and_sampled_again_when_their_deadline_passes()
    {
        contents.Getting = _ => Task.FromException<ImmutableArray<Completion>>(new IOException("connection refused"));
        pool.Tell(new CompletionsOffered(Named("g1"), Ticket(4), Digest.Of("policy 0"), TimeSpan.FromSeconds(1), StoredContents.Address("completions")), worker);
        AwaitAssert(() => Assert.Contains(Logged.Lines, line => line.Contains($"The completions of group {Group(4)} could not be had from g1: connection refused", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_generator_that_gives_up_is_the_run_s_affair_and_one_whose_own_actor_fails_ends_the_pool()
    {
        var gaveUp = new WorkerGaveUp(FailureResponse.StopRun, new InvalidOperationException("no room"));
        pool.Tell(gaveUp);
        ExpectMsg(gaveUp);
        Watch(pool);
        pool.Tell(new ChildFailed(worker, new InvalidOperationException("a bug")));
        ExpectTerminated(pool);
    }

    private void Ask(TestProbe from, WorkerId generator, long ask) => pool.Tell(new WorkWanted(Named(generator.Name), ask), from);

    private void Send(WorkerId generator, long ordinal) => pool.Tell(new TicketsDrawn(generator, [new PromptedTicket(Ticket(ordinal), [5, 6])]));

    private void Publish(long version) => pool.Tell(new WeightsPublished(Served(version)));
}
