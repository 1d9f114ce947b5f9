using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Learning;
using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Chaos;
using Xunit;

namespace GrpoActors.Actors.Tests.Learning;

/// <summary>The lease: one trainer at a time, whatever is lost, late or frozen on the way.</summary>
public sealed class LearnerActorTests : ActorSpec
{
    private const long TermsAfter = 100;
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(10);

    private readonly SteppedTime time = new();
    private readonly IActorRef learner;
    private readonly TestProbe first, second;

    public LearnerActorTests()
    {
        learner = Examined(() => new LearnerActor(Logged, [], Length, acceptLostTail: false, TermsAfter, isElsewhere: true, CrashPoints.None, time));
        first = CreateTestProbe();
        second = CreateTestProbe();
    }

    [Fact]
    public void The_first_that_asks_is_the_trainer_and_keeps_its_term_as_often_as_it_asks_again()
    {
        Assert.Equal(new LeaseGranted(TermsAfter + 1, 7, Length, AcceptLostTail: false), Ask<LeaseGranted>(first, "t1", askedAt: 7));
        Assert.Equal(new LeaseGranted(TermsAfter + 1, 9, Length, AcceptLostTail: false), Ask<LeaseGranted>(first, "t1", askedAt: 9));
        Assert.Equal(new LeaseDenied("t1"), Ask<LeaseDenied>(second, "t2"));
        Assert.Equal(1, ExpectMsg<LearnerActor.Known>().Count);
        Assert.Equal("t1", ExpectMsg<TrainerCheckpoints>().Name);
        Assert.Equal(2, ExpectMsg<LearnerActor.Known>().Count);
    }

    [Fact]
    public void Another_is_granted_a_new_term_only_when_the_first_has_certainly_run_out_and_the_versions_it_served_are_lost()
    {
        Ask<LeaseGranted>(first, "t1");
        time.Pass(Length);
        Ask<LeaseDenied>(second, "t2"); // clocks may differ by a tenth
        time.Pass(Length / 10);
        Assert.Equal(TermsAfter + 2, Ask<LeaseGranted>(second, "t2").Term);
        Next<WeightsLost>();
        Ask<LeaseDenied>(first, "t1");
    }

    [Fact]
    public void A_lease_that_is_given_back_is_free_at_once()
    {
        LeaseGranted granted = Ask<LeaseGranted>(first, "t1");
        learner.Tell(new LeaseReturned(Named("t1"), granted.Term, "it leaves"), first);
        Assert.Equal(granted.Term + 1, Ask<LeaseGranted>(second, "t2").Term);
    }

    [Fact]
    public void A_term_that_is_over_cannot_be_given_back_and_its_reports_are_not_taken()
    {
        long over = Ask<LeaseGranted>(first, "t1").Term;
        time.Pass(Length * 2);
        long present = Ask<LeaseGranted>(second, "t2").Term;
        learner.Tell(new LeaseReturned(Named("t1"), over, "it wakes"), first);
        learner.Tell(new TrainerReport(over, new Command.TrainerRestarted()), first);
        learner.Tell(new TrainerReport(present, Tripped), second);
        Assert.IsType<Command.SentinelTripped>(FishForMessage(message => message is Command));
        Ask<LeaseDenied>(first, "t1");
    }

    [Fact]
    public void Effects_go_to_the_holder_with_its_term_and_a_batch_as_the_place_where_it_lies()
    {
        Ask<LeaseGranted>(first, "t1");
        Ask<LeaseDenied>(second, "t2");
        Order(new Effect.Evaluate(new PolicyVersion(3)));
        Assert.Equal(new TrainerOrder(TermsAfter + 1, new Effect.Evaluate(new PolicyVersion(3))), Next<TrainerOrder>(first));
        learner.Tell(new RunOver(null)); // what the other is told next
        second.ExpectMsg<RunOver>();
    }

    [Fact]
    public void An_evaluation_that_no_trainer_took_or_whose_trainer_died_is_asked_of_each_until_it_is_answered()
    {
        var order = new Effect.Evaluate(new PolicyVersion(3));
        Order(order);
        long term = Ask<LeaseGranted>(first, "t1").Term;
        learner.Tell(new TrainerReport(term, new Command.TrainerRestarted()), first);
        Assert.Equal(new TrainerOrder(term, order), Next<TrainerOrder>(first));
        time.Pass(Length * 2);
        term = Ask<LeaseGranted>(second, "t2").Term;
        learner.Tell(new TrainerReport(term, new Command.TrainerRestarted()), second);
        Assert.Equal(new TrainerOrder(term, order), Next<TrainerOrder>(second));
        learner.Tell(new TrainerReport(term, new Command.EvaluationDone(new PolicyVersion(3), new Evaluation(5, 1, 0.2, Digest.Of("tokens")))), second);
        learner.Tell(new TrainerReport(term, new Command.TrainerRestarted()), second);
        learner.Tell(new RunOver(null));
        second.ExpectMsg<RunOver>();
    }

    [Fact]
    public void An_order_that_was_lost_on_the_way_is_found_at_the_second_renewal_and_all_is_asked_again()
    {
        Ask<LeaseGranted>(first, "t1");
        Order(new Effect.BeginPhase(0, true, false));
        Next<TrainerOrder>(first); // the probe's; the trainer says that it had none
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
        learner.Tell(new TrainerReport(term, Tripped), first);
        Assert.IsType<Command.SentinelTripped>(FishForMessage(message => message is Command));
        Renew(orders: 0, reports: 1);
        ExpectNoMsg(0);
        Renew(orders: 0, reports: 2);
        Assert.IsType<Command.TrainerRestarted>(FishForMessage(message => message is Command));
    }

    [Fact]
    public void A_version_is_told_to_the_generators_with_the_place_before_the_run_hears_of_it()
    {
        long term = Ask<LeaseGranted>(first, "t1").Term;
        learner.Tell(new TrainerReport(term, new Command.VersionPublished(new PolicyVersion(3)), Served(3)), first);
        Assert.Equal(Served(3), Next<WeightsPublished>().Weights);
        ExpectMsg(new Command.VersionPublished(new PolicyVersion(3)));
    }

    [Fact]
    public void A_trainer_whose_process_is_gone_keeps_its_lease_until_it_has_run_out()
    {
        Ask<LeaseGranted>(first, "t1");
        Sys.Stop(first);
        AwaitAssert(() => Assert.Contains(Logged.Lines, line => line.EndsWith("Trainer t1 has left; its lease runs out", StringComparison.Ordinal)));
        Ask<LeaseDenied>(second, "t2");
        time.Pass(Length * 2);
        Ask<LeaseGranted>(second, "t2");
    }

    [Fact]
    public void A_grant_that_lay_in_a_frozen_process_is_worth_nothing_when_it_wakes()
    {
        var lease = new TrainerLease(time);
        long asked = time.GetTimestamp();
        time.Pass(Length);
        lease.Grant(1, asked, Length);
        Assert.False(lease.Holds);
        Assert.Throws<StorageException>(lease.Require);
        lease.Grant(1, time.GetTimestamp(), Length);
        lease.Require();
    }

    private static Command.SentinelTripped Tripped { get; } = new(4, Digest.Of("batch"), "not finite");

    private void Order(Effect effect) => learner.Tell(new LearnerEffect(effect, 12));

    private void Renew(long orders, long reports)
    {
        learner.Tell(new LeaseWanted(Named("t1"), 0, [], orders, reports), first);
        Next<LeaseGranted>(first);
    }

    private T Ask<T>(TestProbe candidate, string name, long askedAt = 0)
    {
        learner.Tell(new LeaseWanted(Named(name), askedAt, []), candidate);
        return Next<T>(candidate);
    }
}
