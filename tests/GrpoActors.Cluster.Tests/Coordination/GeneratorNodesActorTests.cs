using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Coordination;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using Xunit;
using static GrpoActors.Cluster.Tests.Coordination.Workers;

namespace GrpoActors.Cluster.Tests.Coordination;

public sealed class GeneratorNodesActorTests : TestKit
{
    private static readonly WorkerId First = new("g1"), Second = new("g2");

    private readonly BulkClient bulk = new(new BulkClientOptions(), NodeSecurity.None, null, TimeProvider.System);
    private readonly IActorRef desk;
    private readonly TestProbe worker;

    public GeneratorNodesActorTests()
        : base("akka { loglevel = OFF, stdout-loglevel = OFF }")
    {
        desk = ChildActorOf(Props.Create(() => new GeneratorNodesActor(bulk, generators => 100 / generators)));
        worker = CreateTestProbe();
    }

    [Fact]
    public void A_generator_is_known_by_its_first_ask_and_an_ask_is_passed_on_once()
    {
        Ask(worker, First, 1);
        Ask(worker, First, 1); // nothing came: it says it again
        Ask(worker, First, 2);
        ExpectMsg(new Command.GeneratorJoined(First));
        ExpectMsg(new GeneratorNodesActor.Known(1));
        ExpectMsg(new Command.WorkAsked(First, 100));
        ExpectMsg(new Command.WorkAsked(First, 100));
        Ask(CreateTestProbe(), Second, 1);
        ExpectMsg(new Command.GeneratorJoined(Second));
        ExpectMsg(new GeneratorNodesActor.Known(2));
        ExpectMsg(new Command.WorkAsked(Second, 50));
    }

    [Fact]
    public void Tickets_that_were_lost_on_the_way_are_sent_again_to_the_same_ask()
    {
        Served(0);
        Ask(worker, First, 1);
        Send(First, 4);
        TicketsIssued issued = worker.Next<TicketsIssued>();
        Assert.Equal((1L, Ticket(4).Group, Weights(0)), (issued.Ask, issued.Tickets.Single().Group, issued.Weights));
        Ask(worker, First, 1);
        Assert.Same(issued, worker.Next<TicketsIssued>());
        FishForMessage(message => message is Command.WorkAsked);
        Ask(worker, First, 2);
        ExpectMsg(new Command.WorkAsked(First, 100)); // the ask that was answered again is not one of them
    }

    [Fact]
    public void Tickets_of_a_version_that_nobody_serves_wait_until_somebody_does()
    {
        Served(0);
        Ask(worker, First, 1);
        worker.Next<WeightsAnnounced>();
        desk.Tell(new VersionsLost());
        Send(First, 4);
        Served(0);
        worker.ExpectMsg<WeightsAnnounced>(); // before the tickets, and so without them until now
        Assert.Equal(Group(4), worker.ExpectMsg<TicketsIssued>().Tickets.Single().Group);
    }

    [Fact]
    public void One_that_leaves_gives_back_what_it_held_and_its_waiting_tickets_are_nobodys()
    {
        Ask(worker, First, 1);
        Send(First, 4);
        Sys.Stop(worker);
        FishForMessage(message => message is Command.GeneratorLeft left && left.Generator == First);
        ExpectMsg(new GeneratorNodesActor.Known(0));
        TestProbe successor = CreateTestProbe();
        Ask(successor, First, 1);
        Served(0);
        successor.ExpectMsg<WeightsAnnounced>();
        desk.Tell(new RunOver(null));
        successor.ExpectMsg<RunOver>();
    }

    [Fact]
    public void One_that_gives_back_its_work_leaves_and_joins_with_its_next_ask()
    {
        Ask(worker, First, 1);
        desk.Tell(new WorkDropped(Named("g1"), "its sampler failed"), worker);
        Ask(worker, First, 2);
        Assert.Equal(
            [new Command.GeneratorJoined(First), new Command.WorkAsked(First, 100), new Command.GeneratorLeft(First), new Command.GeneratorJoined(First), new Command.WorkAsked(First, 100)],
            ReceiveN(8).OfType<Command>());
    }

    [Fact]
    public void A_new_process_of_the_same_name_takes_the_place_of_the_one_before()
    {
        Ask(worker, First, 1);
        TestProbe successor = CreateTestProbe();
        Ask(successor, First, 1);
        Served(0);
        successor.ExpectMsg<WeightsAnnounced>();
        Sys.Stop(worker); // whoever was replaced may end without anybody's leaving
        Send(First, 4);
        successor.ExpectMsg<TicketsIssued>();
    }

    protected override void AfterAll()
    {
        base.AfterAll();
        bulk.Dispose();
    }

    private void Ask(TestProbe from, WorkerId generator, long ask) => desk.Tell(new WorkWanted(Named(generator.Name), ask), from);

    private void Send(WorkerId generator, long ordinal) => desk.Tell(new Effect.SendTickets(generator, [Ticket(ordinal)]));

    private void Served(long version) => desk.Tell(new VersionAt(Weights(version), 0));
}
