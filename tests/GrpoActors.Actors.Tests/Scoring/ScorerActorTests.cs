using System.Collections.Immutable;
using Akka.Actor;
using Akka.TestKit;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Scoring;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Actors.Workers;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Scoring;
using GrpoActors.Runtime.Composition;
using Xunit;

namespace GrpoActors.Actors.Tests.Scoring;

/// <summary>The scorers of a process, two of them, with the real rewards; the pool is a probe.</summary>
public sealed class ScorerActorTests : ActorSpec
{
    private const int Scorers = 2;

    private readonly TinyRun tiny = new() { Overrides = { ("scorers", $"{Scorers}") } };
    private readonly RunSetup setup;
    private readonly StoredContents contents = new();
    private readonly TestProbe pool;
    private readonly WorkerServices services;
    private readonly TaskCompletionSource<float?> stuck = new();
    private int calls;

    public ScorerActorTests()
    {
        tiny.Even = (x, _) => Interlocked.Increment(ref calls) <= Stuck ? new ValueTask<float?>(stuck.Task) : ValueTask.FromResult<float?>(1);
        setup = tiny.Setup();
        services = tiny.Services(setup) with { Contents = contents };
        contents.Getting = _ => Task.FromResult<ImmutableArray<Completion>>([new Completion(0, [3, 2], [-0.5f, -0.25f], FinishReason.Eos)]);
        pool = CreateTestProbe();
    }

    /// <summary>So many calls stand still at first.</summary>
    private int Stuck { get; set; }

    [Fact]
    public void It_wants_two_calls_for_each_of_its_scorers_and_answers_each_with_its_outcomes()
    {
        IActorRef scorer = Scorer();
        Assert.Equal(2 * Scorers, pool.ExpectMsg<CallsWanted>().Calls);
        scorer.Tell(Call(1));
        CallAnswered answer = pool.ExpectMsg<CallAnswered>();
        Assert.Equal((Call(1).Key, new ScoreOutcome.Scored(1)), (answer.Call, answer.Outcomes.Single()));
        Assert.Equal(2 * Scorers, pool.ExpectMsg<CallsWanted>().Calls);
    }

    [Fact]
    public void A_call_whose_scorer_stands_still_is_taken_by_the_other_when_it_is_issued_again()
    {
        Stuck = 1;
        IActorRef scorer = Scorer();
        scorer.Tell(Call(1));
        AwaitAssert(() => Assert.Equal(1, Volatile.Read(ref calls)));
        scorer.Tell(Call(1)); // it is overdue
        Assert.Equal(Call(1).Key, Next<CallAnswered>(pool).Call);
        Assert.Equal((2 * Scorers) - 1, pool.ExpectMsg<CallsWanted>().Calls);
        for (int ordinal = 2; ordinal <= 4; ordinal++) // what comes next does not wait behind it
        {
            scorer.Tell(Call(ordinal));
            Assert.Equal(Group(ordinal), Next<CallAnswered>(pool).Call.Group);
        }

        stuck.SetResult(1);
        Assert.Equal(Call(1).Key, Next<CallAnswered>(pool).Call);
        Assert.Equal(2 * Scorers, pool.ExpectMsg<CallsWanted>().Calls);
    }

    [Fact]
    public void A_call_that_is_issued_twice_while_it_waits_is_scored_once()
    {
        Stuck = Scorers;
        IActorRef scorer = Scorer();
        scorer.Tell(Call(1));
        scorer.Tell(Call(2));
        scorer.Tell(Call(3));
        scorer.Tell(Call(3));
        AwaitAssert(() => Assert.Equal(Scorers, Volatile.Read(ref calls)));
        stuck.SetResult(1);
        Assert.Equal([Group(1), Group(2), Group(3)], Enumerable.Range(0, 3).Select(_ => Next<CallAnswered>(pool).Call.Group).OrderBy(group => group.Ordinal));
        Assert.Equal(3, calls);
    }

    [Fact]
    public void Completions_that_cannot_be_had_are_named_and_their_place_is_free_again()
    {
        contents.Getting = _ => Task.FromException<ImmutableArray<Completion>>(new IOException("connection refused"));
        IActorRef scorer = Scorer();
        pool.ExpectMsg<CallsWanted>();
        scorer.Tell(Call(1));
        Assert.Equal(2 * Scorers, pool.ExpectMsg<CallsWanted>().Calls);
        Assert.Contains($"Warning: The completions of {Group(1)} reward 0 try 1 cannot be had: connection refused", tiny.Log.Lines);
    }

    [Fact]
    public void A_reward_that_breaks_is_started_again_with_the_call_that_it_broke_off_and_is_given_up_by_name()
    {
        IActorRef scorer = Scorer();
        scorer.Tell(Call(1, row: 9999)); // of which the data have none
        string sentence = ExpectMsg<WorkerGaveUp>().Failure.Message;
        Assert.Matches("^scorer-[12] failed 4 times, the last time with: ", sentence);
        Assert.Equal(3, tiny.Log.Lines.Count(line => line.Contains("is started again", StringComparison.Ordinal)));
    }

    [Fact]
    public void One_that_drains_wants_nothing_more_and_finishes_what_it_holds()
    {
        Stuck = 1;
        IActorRef scorer = Scorer();
        scorer.Tell(Call(1));
        AwaitAssert(() => Assert.Equal(1, Volatile.Read(ref calls)));
        scorer.Tell(Drain.Instance, TestActor);
        AwaitAssert(() => Assert.Equal(0, pool.ExpectMsg<CallsWanted>().Calls));
        ExpectNoMsg(0);
        stuck.SetResult(1);
        ExpectMsg<Drained>();
        Next<CallAnswered>(pool);
    }

    protected override void AfterAll()
    {
        stuck.TrySetResult(1);
        base.AfterAll();
        setup.Dispose();
        tiny.Dispose();
    }

    private static CallIssued Call(long ordinal, long row = 1) => new(new CallKey(Group(ordinal), 0, 0), row, StoredContents.Address($"of {ordinal}"));

    private IActorRef Scorer() => Examined(() => new ScorerActor(services, "scorer", pool));
}
