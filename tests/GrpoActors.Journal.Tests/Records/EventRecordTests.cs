using System.Buffers.Binary;
using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;

namespace GrpoActors.Journal.Tests.Records;

public sealed class EventRecordTests
{
    /// <summary>One event or more of every case, every optional field both ways, numbers that have awkward bits.</summary>
    public static readonly ImmutableArray<(string Name, RunEvent Event)> Samples = MakeSamples();

    public static TheoryData<string> Names => [.. Samples.Select(sample => sample.Name)];

    [Fact]
    public void Every_event_has_a_sample()
    {
        IEnumerable<string> cases = typeof(RunEvent).GetNestedTypes().Where(type => type.IsSubclassOf(typeof(RunEvent))).Select(type => type.Name);
        Assert.Empty(cases.Except(Samples.Select(sample => sample.Event.GetType().Name)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Encoding_what_was_decoded_gives_the_same_bytes(string name)
    {
        byte[] bytes = EventRecord.Encode(Sample(name));
        Assert.Equal(bytes, EventRecord.Encode(EventRecord.Decode(bytes)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Decoding_gives_the_event_back(string name)
    {
        RunEvent before = Sample(name);
        Assert.Equal(Describe(before), Describe(EventRecord.Decode(EventRecord.Encode(before))));
    }

    [Fact]
    public void Bytes_of_every_version_replay_and_are_still_written()
    {
        Dictionary<string, string> golden = new[] { "version1.txt", "version2.txt", "version3.txt", "version4.txt" }
            .SelectMany(file => File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Records", file)))
            .Where(line => !line.StartsWith('#')).Select(line => line.Split(' ')).ToDictionary(part => part[0], part => part[1]);
        Assert.Equal(Samples.Select(sample => sample.Name).Order(), golden.Keys.Order());
        foreach ((string name, RunEvent runEvent) in Samples)
        {
            Assert.Equal(golden[name], Convert.ToHexStringLower(EventRecord.Encode(runEvent)));
            Assert.Equal(Describe(runEvent), Describe(EventRecord.Decode(Convert.FromHexString(golden[name]))));
        }
    }

    [Fact]
    public void Floats_keep_their_bits_even_where_they_are_not_numbers()
    {
        float odd = BitConverter.Int32BitsToSingle(unchecked((int)0xFFC12345));
        var runEvent = new RunEvent.CompletionsScored(
            default, default, default, [new(new Completion(0, [1, 2], [odd, -0f], FinishReason.Eos, float.Epsilon), [])], new("g", default, default));
        var back = (RunEvent.CompletionsScored)EventRecord.Decode(EventRecord.Encode(runEvent));
        Completion completion = back.Completions[0].Completion;
        Assert.Equal(0xFFC12345, BitConverter.SingleToUInt32Bits(completion.LogProbs[0]));
        Assert.Equal(0x80000000, BitConverter.SingleToUInt32Bits(completion.LogProbs[1]));
        Assert.Equal(1u, BitConverter.SingleToUInt32Bits(completion.KeptMass));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_record_cut_anywhere_is_refused_in_a_sentence(string name)
    {
        byte[] bytes = EventRecord.Encode(Sample(name));
        for (int length = 0; length < bytes.Length; length++)
        {
            var refusal = Assert.Throws<JournalFormatException>(() => EventRecord.Decode(bytes.AsSpan(0, length)));
            Assert.EndsWith(".", refusal.Message);
        }

        Assert.Throws<JournalFormatException>(() => EventRecord.Decode([.. bytes, 0]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Changed_bytes_are_refused_or_are_another_event_with_exactly_those_bytes(string name)
    {
        byte[] bytes = EventRecord.Encode(Sample(name));
        for (int at = 0; at < bytes.Length; at++)
        {
            foreach (byte value in new byte[] { 0, 1, 2, 0x7F, 0x80, 0xFF, (byte)(bytes[at] ^ 1), (byte)(bytes[at] ^ 0x10) })
            {
                byte[] changed = [.. bytes];
                changed[at] = value;
                AssertRefusedOrCanonical(changed);
            }
        }
    }

    [Fact]
    public void Random_bytes_never_do_anything_else()
    {
        const int seed = 20260;
        var random = new Random(seed);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bytes = new byte[random.Next(0, 200)];
            random.NextBytes(bytes);
            if (bytes.Length > 1)
            {
                bytes[0] = (byte)random.Next(1, EventRecord.Version + 1);
                bytes[1] = (byte)random.Next(0, 14);
                for (int i = random.Next(3); i > 0 && bytes.Length > 8; i--) // plausible counts reach deeper
                {
                    BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(random.Next(2, bytes.Length - 4)), random.Next(0, 6));
                }
            }

            AssertRefusedOrCanonical(bytes);
        }
    }

    [Fact]
    public void A_count_that_cannot_fit_takes_no_memory()
    {
        byte[] bytes = EventRecord.Encode(Sample("completions-scored"));
        int countAt = 2 + 13 + 8 + 32;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(countAt), int.MaxValue);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<JournalFormatException>(() => EventRecord.Decode(bytes));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000_000);
        Assert.Contains("'completions'", refusal.Message);
        Assert.Contains("2147483647", refusal.Message);
    }

    [Fact]
    public void A_newer_version_is_named()
    {
        byte[] bytes = EventRecord.Encode(Sample("run-ended"));
        bytes[0] = 9;
        Assert.Contains("version 9", Assert.Throws<JournalFormatException>(() => EventRecord.Decode(bytes)).Message);
    }

    [Fact]
    public void Tokens_without_log_probs_are_never_written()
    {
        var torn = new RunEvent.CompletionsScored(default, default, default, [new(new Completion(3, [1, 2], [0], FinishReason.Eos), [])], new("g", default, default));
        Assert.Contains("Completion 3 has 2 tokens and 1 log-probs", Assert.Throws<ArgumentException>(() => EventRecord.Encode(torn)).Message);
    }

    private static void AssertRefusedOrCanonical(byte[] bytes)
    {
        try
        {
            Assert.Equal(bytes, EventRecord.Encode(EventRecord.Decode(bytes)));
        }
        catch (JournalFormatException)
        {
            // The one allowed refusal.
        }
    }

    /// <summary>Every constructor parameter of a record by name, to any depth: records with arrays compare by reference, this text does not.</summary>
    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"\"{text}\"",
        System.Collections.IEnumerable items => $"[{string.Join(", ", items.Cast<object?>().Select(Describe))}]",
        TimeSpan or Digest or Enum or IFormattable => value.ToString()!,
        _ => $"{value.GetType().Name}({string.Join(", ", value.GetType().GetConstructors().MaxBy(c => c.GetParameters().Length)?.GetParameters()
            .Select(parameter => $"{parameter.Name}: {Describe(value.GetType().GetProperty(parameter.Name!)?.GetValue(value))}") ?? [])})",
    };

    private static RunEvent Sample(string name) => Samples.Single(sample => sample.Name == name).Event;

    private static ImmutableArray<(string, RunEvent)> MakeSamples()
    {
        Digest a = Digest.Of("a"), b = Digest.Of("b"), c = Digest.Of("c");
        var primary = new GroupId(1, GroupStream.Primary, 42);
        var refill = new GroupId(1, GroupStream.Refill, (1L << 40) + 7);
        var adaptive = new AdaptiveState(0.04, -0.0, 0.5);
        ImmutableArray<ScoredCompletion> completions =
        [
            new(new Completion(0, [5, 0, 65535], [-0.25f, -1e-30f, 0f], FinishReason.Eos), [new ScoreOutcome.Scored(1.5f), ScoreOutcome.NotApplicable]),
            new(new Completion(1, [7], [-12.125f], FinishReason.StopString, 0.875f), [new ScoreOutcome.TimedOut(TimeSpan.FromMilliseconds(1500)), new ScoreOutcome.Faulted("divided by zero – ¼")]),
            new(new Completion(2, [], [], FinishReason.Length), []),
        ];
        var folded = new RunState(
            null!, 7000, true, new(701), a, b, 1, 700, 702, 96, 128, 3, 55, 320, 1, 2, new PolicyVersion(700), adaptive,
            new[]
            {
                new GroupState(primary, 12, new(701), 702, 0, GroupFate.Kept, completions, DropReason.None, 6999),
                new GroupState(refill, 3, new(701), 701, 1, GroupFate.Open, [], DropReason.None, 0),
            }.ToImmutableSortedDictionary(group => group.Id, group => group),
            new Dictionary<long, Digest> { [700] = c, [701] = a }.ToImmutableSortedDictionary(),
            new Evaluation(400, 223, 0.5575, b),
            [new(650, "step-000650", a, b, c), new(700, "step-000700", b, c, a, 0.5575)],
            new(1, 2, 3, 4, 5, 6, 7, long.MaxValue), null, new(0.25, 0.75, 12.5), [600, 650], new(700, a, new PolicyVersion(690)),
            new(1, 0.25, null, [0.5, 0.75], [0.875], []), new(701, RunEnd.TooManyRollbacks, "kl above 10"));
        return
        [
            ("run-started", new RunEvent.RunStarted(a, b, "exact-1")),
            ("phase-started", new RunEvent.PhaseStarted(0, "sft", new(0), a, null, true)),
            ("phase-started-with-reference", new RunEvent.PhaseStarted(1, "grpo", new(700), a, c, false)),
            ("group-opened", new RunEvent.GroupOpened(primary, 1_234_567_890_123, new(700), 701, 0)),
            ("group-opened-refill", new RunEvent.GroupOpened(refill, 0, new(701), 701, 2)),
            ("completions-scored", new RunEvent.CompletionsScored(primary, new(700), c, completions, new("generator-1", TimeSpan.FromTicks(123456789), TimeSpan.Zero))),
            ("completions-scored-none", new RunEvent.CompletionsScored(refill, new(700), c, [], new("", TimeSpan.Zero, TimeSpan.Zero))),
            ("group-closed", new RunEvent.GroupClosed(primary, DropReason.None)),
            ("group-closed-dropped", new RunEvent.GroupClosed(refill, DropReason.RunEnded)),
            ("step-committed-sft", new RunEvent.StepCommitted(
                new(3, 0, PhaseKind.Sft, [], 192, 64, [], 0, 0, 1e-3, AdaptiveState.Neutral, null),
                new(true, a, b, c, [], AdaptiveState.Neutral), c, new(TimeSpan.FromSeconds(1), TimeSpan.Zero))),
            ("step-committed-grpo", new RunEvent.StepCommitted(
                new(701, 1, PhaseKind.Grpo, [primary, refill], 0, 0, [new(1, GroupStream.Primary, 41)], 64, 3, 1e-4, adaptive, new PolicyVersion(700)),
                new(false, a, b, c, [new("kl", 0.1), new("reward", double.NegativeInfinity)], adaptive), a, new(TimeSpan.FromTicks(1), TimeSpan.MaxValue))),
            ("evaluated", new RunEvent.Evaluated(new(700), new(400, 223, 0.5575, b))),
            ("checkpoint-written", new RunEvent.CheckpointWritten(700, "step-000700", a, b, c, 1401)),
            ("rolled-back", new RunEvent.RolledBack(750, 700, "kl above 10", 0.5, 4096, a, adaptive, b)),
            ("step-committed-adaptive-entropy", new RunEvent.StepCommitted(
                new(702, 1, PhaseKind.Grpo, [primary], 0, 0, [], 64, 3, 1e-4, adaptive with { LastEntropy = double.PositiveInfinity }, null),
                new(false, a, b, c, [], adaptive with { LastEntropy = 0.25 }), a, new(TimeSpan.Zero, TimeSpan.Zero))),
            ("rolled-back-adaptive-entropy", new RunEvent.RolledBack(750, 700, "kl above 10", 0.5, 4096, a, adaptive with { LastEntropy = 0.25 }, b)),
            ("rebased", new RunEvent.Rebased(12, a, b)),
            ("checkpoints-retired", new RunEvent.CheckpointsRetired([100, 150])),
            ("compacted-bare", new RunEvent.Compacted(0, RunState.Begin(null!) with { Started = true })),
            ("compacted", new RunEvent.Compacted(5000, folded)),
            ("compacted-rewards", new RunEvent.Compacted(5000, folded with
            {
                Progress = folded.Progress with { Rewards = [new(7, 5, 0), new(0, 0, 12, new RewardFault(4, "its process ended with exit code 1"))] },
            })),
            ("compacted-balance", new RunEvent.Compacted(5000, folded with { Balance = [1.5, 0.75] })),
            ("training-stopped", new RunEvent.TrainingStopped(750, RunEnd.SentinelTripped, "the gradient norm is NaN")),
            ("run-ended", new RunEvent.RunEnded(1000, RunEnd.TooManyRollbacks)),
        ];
    }
}
