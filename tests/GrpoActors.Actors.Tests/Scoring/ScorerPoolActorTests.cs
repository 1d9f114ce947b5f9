using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Scoring;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using Xunit;

namespace GrpoActors.Actors.Tests.Scoring;

public sealed class ScorerPoolActorTests : ActorSpec
{
    private readonly StoredContents contents = new();
    private readonly TestProbe worker, other;
    private readonly IActorRef pool;

    public ScorerPoolActorTests()
    {
        worker = CreateTestProbe();
        other = CreateTestProbe();
        pool = Examined(() => new ScorerPoolActor(Logged, [], contents));
    }

    [Fact]
    public void No_scorer_is_sent_more_calls_than_it_asked_for()
    {
        Call(1);
        Call(2);
        Call(3);
        Want(worker, "s1", 2);
        Assert.Equal([Group(1), Group(2)], new[] { worker.ExpectMsg<CallIssued>(), worker.ExpectMsg<CallIssued>() }.Select(call => call.Key.Group));
        Want(worker, "s1", 0);
        Want(other, "s2", 1);
        Assert.Equal(Group(3), other.ExpectMsg<CallIssued>().Key.Group);
        pool.Tell(new RunOver(null));
        worker.ExpectMsg<RunOver>(); // and no call before it
    }

    [Fact]
    public void Calls_of_one_that_leaves_go_to_the_next_as_the_same_attempt_and_in_front_of_those_that_wait()
    {
        Call(1);
        Call(2);
        Want(worker, "s1", 1);
        CallIssued issued = worker.ExpectMsg<CallIssued>();
        Sys.Stop(worker);
        Next<ScorerPoolActor.Known>();
        ExpectMsg(new ScorerPoolActor.Known(0));
        Want(other, "s2", 1);
        Assert.Equal(issued.Key, other.ExpectMsg<CallIssued>().Key);
    }

    [Fact]
    public void A_call_is_answered_once_and_its_content_goes()
    {
        Call(1);
        Want(worker, "s1", 1);
        CallKey key = worker.ExpectMsg<CallIssued>().Key;
        Assert.Equal(1, contents.Held);
        pool.Tell(new CallAnswered(Named("s1"), key, []), worker);
        pool.Tell(new CallAnswered(Named("s1"), key, []), worker);
        pool.Tell(new CallAnswered(Named("s2"), key, []), other); // whose joining is told after the answers
        Assert.Equal(Group(1), ((Command.ScoreArrived)FishForMessage(message => message is Command)).Call.Group);
        ExpectMsg(new ScorerPoolActor.Known(2));
        Assert.Equal(0, contents.Held);
    }

    [Fact]
    public void A_call_that_waits_is_not_queued_again()
    {
        Call(1);
        Call(1);
        Call(2);
        Want(worker, "s1", 3);
        Assert.Equal([Group(1), Group(2)], new[] { worker.ExpectMsg<CallIssued>(), worker.ExpectMsg<CallIssued>() }.Select(call => call.Key.Group));
        pool.Tell(new RunOver(null));
        worker.ExpectMsg<RunOver>();
    }

    [Fact]
    public void A_call_that_was_taken_and_is_overdue_is_issued_again()
    {
        Call(1);
        Want(worker, "s1", 1);
        worker.ExpectMsg<CallIssued>();
        Call(1); // the scorer that took it stands still
        Want(other, "s2", 1);
        Assert.Equal(Group(1), other.ExpectMsg<CallIssued>().Key.Group);
    }

    [Fact]
    public void A_call_that_was_answered_before_it_was_taken_again_is_passed_over_and_can_be_asked_once_more()
    {
        Call(1);
        Want(worker, "s1", 1);
        CallKey key = worker.ExpectMsg<CallIssued>().Key;
        Call(1);
        Call(2);
        pool.Tell(new CallAnswered(Named("s1"), key, []), worker);
        Want(other, "s2", 2);
        Assert.Equal(Group(2), other.ExpectMsg<CallIssued>().Key.Group);
        Call(1); // the answer did not count: asked for once more, it is scored once
        Assert.Equal(Group(1), other.ExpectMsg<CallIssued>().Key.Group);
    }

    [Fact]
    public void The_first_try_is_fetched_from_the_generator_while_it_is_there_and_a_retry_from_here()
    {
        CompletionsRef at = StoredContents.Address("of the generator");
        pool.Tell(new CompletionsAt(Group(1), at, "g1"));
        pool.Tell(new CompletionsAt(Group(2), at, "g2"));
        pool.Tell(new HolderLeft("g2"));
        Call(1);
        Call(2);
        Call(1, attempt: 1);
        Want(worker, "s1", 3);
        Assert.Equal([true, false, false], new[] { worker.ExpectMsg<CallIssued>(), worker.ExpectMsg<CallIssued>(), worker.ExpectMsg<CallIssued>() }.Select(call => call.Completions.Equals(at)));
        Assert.Equal(2, contents.Held);
    }

    [Fact]
    public void What_was_not_answered_is_offered_from_here_however_it_was_served_before()
    {
        TestProbe worker = CreateTestProbe();
        CompletionsRef at = StoredContents.Address("of a generator that had left when this was told");
        pool.Tell(new HolderLeft("g1"));
        pool.Tell(new CompletionsAt(Group(1), at, "g1"));
        Call(1);
        Want(worker, "s1", 1);
        Assert.Equal(at, worker.ExpectMsg<CallIssued>().Completions);
        Call(1); // its deadline has passed
        Want(worker, "s1", 1);
        Assert.NotEqual(at, worker.ExpectMsg<CallIssued>().Completions);
        Assert.Equal(1, contents.Held);
    }

    private void Call(long ordinal, int attempt = 0) =>
        pool.Tell(new Effect.RunScorer(new ScoreCall(Group(ordinal), ordinal, 0, [new Completion(0, [3, 2], [-0.5f, -0.25f], FinishReason.Eos)], attempt)));

    private void Want(TestProbe from, string name, int calls) => pool.Tell(new CallsWanted(Named(name), calls), from);
}
