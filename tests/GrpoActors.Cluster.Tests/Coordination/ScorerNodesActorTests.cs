using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Coordination;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Runs;
using Xunit;
using static GrpoActors.Cluster.Tests.Coordination.Workers;

namespace GrpoActors.Cluster.Tests.Coordination;

public sealed class ScorerNodesActorTests : TestKit
{
    private readonly ContentStore shelf = new(new ContentStoreOptions(), TimeProvider.System) { Address = new Uri("http://127.0.0.1:1") };
    private readonly IActorRef desk;
    private readonly TestProbe worker, other;

    public ScorerNodesActorTests()
        : base("akka { loglevel = OFF, stdout-loglevel = OFF }")
    {
        desk = ChildActorOf(Props.Create(() => new ScorerNodesActor(shelf)));
        worker = CreateTestProbe();
        other = CreateTestProbe();
    }

    [Fact]
    public void Nobody_is_sent_more_calls_than_it_asked_for()
    {
        Call(1);
        Call(2);
        Call(3);
        Want(worker, "s1", 2);
        Assert.Equal([Group(1), Group(2)], new[] { worker.ExpectMsg<CallIssued>(), worker.ExpectMsg<CallIssued>() }.Select(call => call.Key.Group));
        Want(worker, "s1", 0);
        Want(other, "s2", 1);
        Assert.Equal(Group(3), other.ExpectMsg<CallIssued>().Key.Group);
        desk.Tell(new RunOver(null));
        worker.ExpectMsg<RunOver>(); // and no call before it
    }

    [Fact]
    public void Calls_of_one_that_leaves_go_to_the_next_as_the_same_attempt()
    {
        Call(1);
        Want(worker, "s1", 1);
        CallIssued issued = worker.ExpectMsg<CallIssued>();
        Sys.Stop(worker);
        Want(other, "s2", 1);
        Assert.Equal(issued, other.ExpectMsg<CallIssued>());
    }

    [Fact]
    public void A_call_is_answered_once_and_its_content_goes()
    {
        Call(1);
        Want(worker, "s1", 1);
        CallKey key = worker.ExpectMsg<CallIssued>().Key;
        Assert.NotEqual(0, shelf.ContentsBytes);
        desk.Tell(new CallAnswered(Named("s1"), key, []), worker);
        desk.Tell(new CallAnswered(Named("s1"), key, []), worker);
        desk.Tell(new CallAnswered(Named("s2"), key, []), other); // whose joining is told after the answers
        Assert.Equal(Group(1), ((Command.ScoreArrived)FishForMessage(message => message is Command)).Call.Group);
        ExpectMsg(new ScorerNodesActor.Known(2));
        Assert.Equal(0, shelf.ContentsBytes);
    }

    [Fact]
    public void A_call_that_is_overdue_is_issued_again_and_one_that_still_waits_is_not_doubled()
    {
        Call(1);
        Call(1);
        Want(worker, "s1", 2);
        worker.ExpectMsg<CallIssued>();
        Call(1);
        worker.ExpectMsg<CallIssued>();
        desk.Tell(new RunOver(null));
        worker.ExpectMsg<RunOver>();
    }

    private void Call(long ordinal) => desk.Tell(new Effect.RunScorer(new ScoreCall(Group(ordinal), ordinal, 0, [new Completion(0, [3, 2], [-0.5f, -0.25f], FinishReason.Eos)], 0)));

    private void Want(TestProbe from, string name, int calls) => desk.Tell(new CallsWanted(Named(name), calls), from);
}
