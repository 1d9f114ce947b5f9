using System.Collections.Immutable;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Core.Completions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class CompletionsContentTests
{
    private static readonly ImmutableArray<Completion> Group =
    [
        new(0, [5, 6, 2], [-0.5f, -1.25f, -0f], FinishReason.Eos),
        new(3, [int.MaxValue], [float.MinValue], FinishReason.Length, KeptMass: 0.75f),
        new(4, [1, 1], [-1e-30f, -3], FinishReason.StopString),
    ];

    [Fact]
    public void Completions_come_back_bit_for_bit()
    {
        byte[] content = CompletionsContent.Encode(Group);
        ImmutableArray<Completion> back = CompletionsContent.Decode(content);
        Assert.Equal(Group.Select(Text), back.Select(Text));
        Assert.Equal(content, CompletionsContent.Encode(back));
        Assert.Equal(CompletionsContent.Encode([]), CompletionsContent.Encode(CompletionsContent.Decode(CompletionsContent.Encode([]))));
    }

    [Fact]
    public void The_bytes_of_version_1_stay_readable() =>
        Assert.Equal(
            "01010000000700000002000000030000000A000000000000BF0000803F010000403F",
            Convert.ToHexString(CompletionsContent.Encode([new Completion(7, [3, 10], [-0.5f, 1f], FinishReason.StopString, 0.75f)])));

    [Fact]
    public void Any_other_bytes_are_refused_in_a_sentence()
    {
        byte[] content = CompletionsContent.Encode(Group);
        for (int length = 0; length < content.Length; length++)
        {
            Assert.EndsWith(".", Assert.Throws<BulkException>(() => CompletionsContent.Decode(content.AsSpan(0, length))).Message, StringComparison.Ordinal);
        }

        Assert.Throws<BulkException>(() => CompletionsContent.Decode([.. content, 0]));
        Assert.Equal(
            "The completions of a group are written in version 2, and this program reads version 1: run the same program on all nodes.",
            Assert.Throws<BulkException>(() => CompletionsContent.Decode([2, .. content.AsSpan(1)])).Message);
        var random = new Random(11);
        int refused = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = [.. content];
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                CompletionsContent.Decode(damaged);
            }
            catch (BulkException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 1, 2000);
    }

    private static string Text(Completion completion) =>
        $"{completion.Index}: {string.Join(' ', completion.Tokens)} | {string.Join(' ', completion.LogProbs.Select(BitConverter.SingleToInt32Bits))} | {completion.Finish} {completion.KeptMass}";
}
