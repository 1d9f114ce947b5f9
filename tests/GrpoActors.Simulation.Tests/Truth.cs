using System.Buffers.Binary;
using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;

namespace GrpoActors.Simulation.Tests;

/// <summary>What an honest worker answers: functions of group, row and weights alone. Workers use them, and the audit holds the journal to them.</summary>
internal static class Truth
{
    public static Completion Sample(GroupId group, long row, int index, Digest weights)
    {
        Span<byte> key = stackalloc byte[32];
        BinaryPrimitives.WriteInt32LittleEndian(key, group.Phase);
        BinaryPrimitives.WriteInt32LittleEndian(key[4..], (int)group.Stream);
        BinaryPrimitives.WriteInt64LittleEndian(key[8..], group.Ordinal);
        BinaryPrimitives.WriteInt64LittleEndian(key[16..], row);
        BinaryPrimitives.WriteInt32LittleEndian(key[24..], index);
        Digest dice = weights.Then(key);
        int length = 1 + (int)(dice.A % 4);
        int[] tokens = new int[length];
        float[] logProbs = new float[length];
        for (int i = 0; i < length; i++)
        {
            tokens[i] = (int)((dice.B >> (8 * i)) % 50) + 3;
            logProbs[i] = FakeTrainer.LogProb;
        }

        return new Completion(index, ImmutableArrays.Of(tokens), ImmutableArrays.Of(logProbs), dice.C % 5 == 0 ? FinishReason.Length : FinishReason.Eos);
    }

    /// <summary>Some completions have no score: the reward abstains, or throws whenever it is asked.</summary>
    public static ScoreOutcome Score(int reward, long row, Completion completion)
    {
        long dice = (row * 7) + (completion.Tokens[0] * 31) + completion.Tokens.Length;
        return (reward, dice % 40) switch
        {
            (1, < 3) => ScoreOutcome.NotApplicable,
            (_, 39) => Unjudgeable,
            _ => new ScoreOutcome.Scored(completion.Tokens[0] % (reward + 3)),
        };
    }

    public static Evaluation Evaluate(Digest weights) => new(20, (int)(weights.A % 21), weights.B % 100 / 100.0, weights.Then([1]));

    private static ScoreOutcome.Faulted Unjudgeable { get; } = new("It cannot judge this.");

    private static class ImmutableArrays
    {
        public static ImmutableArray<T> Of<T>(T[] values) => System.Runtime.InteropServices.ImmutableCollectionsMarshal.AsImmutableArray(values);
    }
}
