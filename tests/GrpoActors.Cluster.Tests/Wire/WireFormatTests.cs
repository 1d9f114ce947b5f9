using System.Runtime.Serialization;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;
using Xunit;

namespace GrpoActors.Cluster.Tests.Wire;

public sealed class WireFormatTests
{
    private static readonly WorkerIdentity By = new("node-2/generator-1", Digest.Of("plan"), "7");
    private static readonly GroupId Group = new(1, GroupStream.Refill, 42);
    private static readonly ContentRef Content = new(new Uri("http://127.0.0.1:4054/contents/abc"), Digest.Of("content"), 4711);
    private static readonly WeightsRef Weights = new(new PolicyVersion(9), new ServedWeights(Digest.Of("policy"), new ContentRef(new Uri("https://trainer:4054/weights/9"), Digest.Of("weights"), 1L << 33)));
    private static readonly Ticket Ticket = new(Group, 3, [0, 1, 2], new PolicyVersion(9));
    private static readonly StepOutputs Outputs = new(false, Digest.Of("batch"), Digest.Of("update"), Digest.Of("next"), [new Metric("loss", 0.25)], AdaptiveState.Neutral with { LastEntropy = 1.5 });

    private static readonly WorkerMessage[] Messages =
    [
        new WorkWanted(By, 7),
        new Heartbeat(By),
        new WorkReturned(By, "it leaves"),
        new CompletionsOffered(By, Ticket, Digest.Of("policy"), TimeSpan.FromSeconds(2), new CompletionsRef.Served(Content)),
        new CallsWanted(By, 4),
        new CallAnswered(By, new CallKey(Group, 1, 2), [new ScoreOutcome.Scored(0.5f), new ScoreOutcome.TimedOut(TimeSpan.FromSeconds(1)), new ScoreOutcome.Faulted("no")]),
        new LeaseWanted(By, 123, [new LedgerValue(5, Digest.Of("chain"))], Orders: 7, Reports: 9),
        new LeaseReturned(By, 65537, "it leaves"),
        new TrainerReport(65537, new Command.TrainerRestarted()),
        new TrainerReport(65537, new Command.VersionPublished(new PolicyVersion(9)), Weights),
        new TrainerReport(65537, new Command.BatchTrained(8, Outputs, new StepTimings(TimeSpan.FromSeconds(3), TimeSpan.Zero))),
        new TrainerReport(65537, new Command.SentinelTripped(8, Digest.Of("batch"), "The norm of the gradient is NaN.")),
        new TrainerReport(65537, new Command.CheckpointDone(8, "step-000008", Digest.Of("m"), Digest.Of("w"), Digest.Of("o"))),
        new TrainerReport(65537, new Command.EvaluationDone(new PolicyVersion(9), new Evaluation(5, 3, 0.6, Digest.Of("tokens")))),
        new Refused("its plan is another one"),
        new TicketsIssued(7, [new PromptedTicket(Ticket, [5, 6])], Weights),
        new WeightsAnnounced(Weights, 8),
        new VersionReached(9, 8),
        new CallIssued(new CallKey(Group, 1, 2), 3, new CompletionsRef.Served(Content)),
        new LeaseGranted(65537, 123, TimeSpan.FromSeconds(15), AcceptLostTail: true),
        new LeaseDenied("node-1/trainer"),
        new TrainerOrder(65537, new Effect.BeginPhase(1, true, false)),
        new TrainJournalled(65537, 8, Digest.Of("batch"), Digest.Of("policy"), 99),
        new TrainerOrder(65537, new Effect.PublishVersion(new PolicyVersion(9), Digest.Of("policy"))),
        new TrainerOrder(65537, new Effect.WriteCheckpoint(8, Digest.Of("chain"), 99, Digest.Of("policy"), 1, true)),
        new TrainerOrder(65537, new Effect.RetireCheckpoints([2, 4])),
        new TrainerOrder(65537, new Effect.Evaluate(new PolicyVersion(9))),
        new TrainerOrder(65537, new Effect.RollBack(8, 4, Digest.Of("policy"))),
        new RunOver(null),
        new RunOver("the database is gone"),
    ];

    public static TheoryData<int> Indices => [.. Enumerable.Range(0, Messages.Length)];

    [Theory]
    [MemberData(nameof(Indices))]
    public void A_message_is_read_as_it_was_written(int index)
    {
        byte[] bytes = WireFormat.Encode(Messages[index]);
        WorkerMessage read = WireFormat.Decode(WireFormat.KindOf(Messages[index]), bytes);
        Assert.IsType(Messages[index].GetType(), read);
        Assert.Equal(bytes, WireFormat.Encode(read));
    }

    [Fact]
    public void Every_kind_is_among_the_tested_messages() =>
        Assert.Equal(WireFormat.Kinds.Order(StringComparer.Ordinal), Messages.Select(WireFormat.KindOf).Distinct().Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Indices))]
    public void Every_beginning_of_a_message_is_refused_with_a_sentence(int index)
    {
        byte[] bytes = WireFormat.Encode(Messages[index]);
        string kind = WireFormat.KindOf(Messages[index]);
        for (int length = 0; length < bytes.Length; length++)
        {
            byte[] beginning = bytes[..length];
            Assert.Throws<JournalFormatException>(() => WireFormat.Decode(kind, beginning));
        }

        Assert.Throws<JournalFormatException>(() => WireFormat.Decode(kind, [.. bytes, 0]));
    }

    [Fact]
    public void Any_bytes_give_a_message_or_a_sentence()
    {
        var random = new Random(1);
        foreach (string kind in WireFormat.Kinds)
        {
            for (int i = 0; i < 2_000; i++)
            {
                byte[] bytes = new byte[random.Next(200)];
                random.NextBytes(bytes);
                try
                {
                    Assert.NotNull(WireFormat.Decode(kind, bytes));
                }
                catch (JournalFormatException sentence)
                {
                    Assert.NotEmpty(sentence.Message);
                }
            }
        }
    }

    [Theory]
    [InlineData("work-wanted/2", "this program reads 'work-wanted/1'")]
    [InlineData("coffee-wanted/1", "is unknown to this program")]
    public void A_kind_or_version_that_is_not_known_is_refused_by_name(string kind, string says) =>
        Assert.Contains(says, Assert.Throws<JournalFormatException>(() => WireFormat.Decode(kind, WireFormat.Encode(Messages[0]))).Message, StringComparison.Ordinal);

    [Fact]
    public void Only_an_address_of_http_is_believed() => Assert.Throws<JournalFormatException>(() =>
        WireFormat.Decode("weights-announced/1", WireFormat.Encode(new WeightsAnnounced(Weights with { Served = Weights.Served! with { Content = Content with { At = new Uri("file:///etc/passwd") } } }, 0))));

    [Fact]
    public void Akka_is_given_our_sentence()
    {
        using ActorSystem system = ActorSystem.Create("wire");
        var serializer = new WireSerializer((ExtendedActorSystem)system);
        Assert.Contains("work-wanted/9", Assert.Throws<SerializationException>(() => serializer.FromBinary([], "work-wanted/9")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_message_comes_near_the_frame_size()
    {
        const int frameBytesMax = 256_000, groups = 512;
        PromptedTicket[] tickets = [.. Enumerable.Range(0, groups).Select(i => new PromptedTicket(Ticket with { Indices = [.. Enumerable.Range(0, 64)] }, [.. new int[4096]]))];
        Assert.InRange(WireFormat.Encode(new TicketsIssued(1, [.. tickets], Weights)).Length, 1, frameBytesMax);
    }
}
