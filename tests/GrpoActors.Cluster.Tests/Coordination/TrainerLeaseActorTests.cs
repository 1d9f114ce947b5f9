using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Cluster.Coordination;
using GrpoActors.Cluster.Tests.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Cluster.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using Xunit;
using static GrpoActors.Cluster.Tests.Coordination.Workers;

namespace GrpoActors.Cluster.Tests.Coordination;

public sealed class TrainerLeaseActorTests : TestKit
{
    private const long TermsAfter = 100;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(10);

    private readonly PassingTime time = new(TimeSpan.Zero);
    private readonly IActorRef desk;
    private readonly TestProbe first, second;

    public TrainerLeaseActorTests()
        : base("akka { loglevel = OFF, stdout-loglevel = OFF }")
    {
        desk = ChildActorOf(Props.Create(() => new TrainerLeaseActor(TermsAfter, Length, time)));
        first = CreateTestProbe();
        second = CreateTestProbe();
    }

    [Fact]
    public void Whoever_asks_first_is_the_trainer_and_keeps_its_term_as_often_as_it_asks_again()
    {
        Assert.Equal(new LeaseGranted(TermsAfter + 1, 7, Length), Ask<LeaseGranted>(first, "t1", askedAt: 7));
        time.Advance(Length / 3);
        Assert.Equal(new LeaseGranted(TermsAfter + 1, 9, Length), Ask<LeaseGranted>(first, "t1", askedAt: 9));
        Assert.Equal(new LeaseDenied("t1"), Ask<LeaseDenied>(second, "t2"));
        Assert.Equal(1, ExpectMsg<TrainerLeaseActor.Known>().Count);
        ExpectMsg<CheckpointsHeld>(held => held.Name == "t1");
        Assert.Equal(2, ExpectMsg<TrainerLeaseActor.Known>().Count);
    }

    [Fact]
    public void Another_is_granted_a_new_term_only_when_the_first_has_certainly_run_out_and_the_versions_it_served_are_lost()
    {
        Ask<LeaseGranted>(first, "t1");
        time.Advance(Length);
        Ask<LeaseDenied>(second, "t2"); // clocks may differ by a tenth
        time.Advance(Length / 10);
        Assert.Equal(TermsAfter + 2, Ask<LeaseGranted>(second, "t2").Term);
        FishForMessage(message => message is VersionsLost);
        Ask<LeaseDenied>(first, "t1");
    }

    [Fact]
    public void A_lease_that_is_given_back_is_free_at_once()
    {
        LeaseGranted granted = Ask<LeaseGranted>(first, "t1");
        desk.Tell(new LeaseReturned(Named("t1"), granted.Term, "it leaves"), first);
        Assert.Equal(granted.Term + 1, Ask<LeaseGranted>(second, "t2").Term);
    }

    [Fact]
    public void A_term_that_is_over_cannot_be_given_back_and_its_reports_are_not_taken()
    {
        long over = Ask<LeaseGranted>(first, "t1").Term;
        time.Advance(Length * 2);
        long present = Ask<LeaseGranted>(second, "t2").Term;
        desk.Tell(new LeaseReturned(Named("t1"), over, "it wakes"), first);
        desk.Tell(new TrainerReport(over, new TrainerNews.Restarted()), first);
        desk.Tell(new TrainerReport(present, new TrainerNews.Tripped(4, Digest.Of("batch"), "not finite")), second);
        Assert.IsType<Command.SentinelTripped>(FishForMessage(message => message is Command));
        Ask<LeaseDenied>(first, "t1");
    }

    [Fact]
    public void Effects_go_to_the_holder_with_its_term()
    {
        Ask<LeaseGranted>(first, "t1");
        Ask<LeaseDenied>(second, "t2");
        desk.Tell(new TrainerEffect(new Effect.Evaluate(new PolicyVersion(3)), 12));
        Assert.Equal(new TrainerOrder(TermsAfter + 1, new TrainerTask.Judge(new PolicyVersion(3))), first.ExpectMsg<TrainerOrder>());
        desk.Tell(new RunOver(null)); // what the other is told next
        second.ExpectMsg<RunOver>();
    }

    [Fact]
    public void An_evaluation_that_nobody_could_take_or_whose_trainer_died_is_asked_of_each_trainer_until_it_is_answered()
    {
        var order = new TrainerTask.Judge(new PolicyVersion(3));
        desk.Tell(new TrainerEffect(new Effect.Evaluate(new PolicyVersion(3)), 12));
        long term = Ask<LeaseGranted>(first, "t1").Term;
        desk.Tell(new TrainerReport(term, new TrainerNews.Restarted()), first);
        Assert.Equal(new TrainerOrder(term, order), first.ExpectMsg<TrainerOrder>());
        time.Advance(Length * 2);
        term = Ask<LeaseGranted>(second, "t2").Term;
        desk.Tell(new TrainerReport(term, new TrainerNews.Restarted()), second);
        Assert.Equal(new TrainerOrder(term, order), second.ExpectMsg<TrainerOrder>());
        desk.Tell(new TrainerReport(term, new TrainerNews.Judged(new PolicyVersion(3), new Evaluation(5, 1, 0.2, Digest.Of("tokens")))), second);
        desk.Tell(new TrainerReport(term, new TrainerNews.Restarted()), second);
        desk.Tell(new RunOver(null));
        second.ExpectMsg<RunOver>();
    }

    [Fact]
    public void An_order_that_was_lost_on_the_way_is_found_at_the_second_renewal_and_all_is_asked_again()
    {
        Ask<LeaseGranted>(first, "t1");
        desk.Tell(new TrainerEffect(new Effect.BeginPhase(0, true, false), 12));
        first.ExpectMsg<TrainerOrder>(); // the probe's; the trainer says that it had none
        Ask<LeaseGranted>(first, "t1");
        Ask<LeaseGranted>(first, "t1");
        Assert.IsType<Command.TrainerRestarted>(FishForMessage(message => message is Command));
        Renew(orders: 1, reports: 0);
        ExpectNoMsg(0);
    }

    [Fact]
    public void A_report_that_was_lost_on_the_way_is_found_at_the_next_renewal()
    {
        long term = Ask<LeaseGranted>(first, "t1").Term;
        desk.Tell(new TrainerReport(term, new TrainerNews.Tripped(4, Digest.Of("batch"), "not finite")), first);
        Assert.IsType<Command.SentinelTripped>(FishForMessage(message => message is Command));
        Renew(orders: 0, reports: 1);
        ExpectNoMsg(0);
        Renew(orders: 0, reports: 2);
        Assert.IsType<Command.TrainerRestarted>(FishForMessage(message => message is Command));
    }

    [Fact]
    public void A_grant_that_lay_in_a_frozen_process_is_worth_nothing_when_it_wakes()
    {
        var lease = new TrainerLease(time);
        long asked = time.GetTimestamp();
        time.Advance(Length);
        lease.Grant(1, asked, Length);
        Assert.False(lease.Holds);
        Assert.Throws<StorageException>(lease.Require);
        lease.Grant(1, time.GetTimestamp(), Length);
        lease.Require();
    }

    private void Renew(long orders, long reports)
    {
        desk.Tell(new LeaseWanted(Named("t1"), 0, [], orders, reports), first);
        first.ExpectMsg<LeaseGranted>();
    }

    private T Ask<T>(TestProbe candidate, string name, long askedAt = 0)
    {
        desk.Tell(new LeaseWanted(Named(name), askedAt, []), candidate);
        return candidate.ExpectMsg<T>();
    }
}
