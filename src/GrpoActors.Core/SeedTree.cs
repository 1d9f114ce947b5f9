using System.Buffers.Binary;
using System.Text;
using GrpoActors.Exact;

namespace GrpoActors.Core;

/// <summary>What a random number is for. Each purpose has a key of its own.</summary>
public enum SeedPurpose : byte
{
    /// <summary>Counter: tensor index, element low, element high, 0.</summary>
    Initialisation = 0,
    /// <summary>The permutation of the prompts; counter: round, value low, value high, epoch.</summary>
    PromptOrder = 1,
    /// <summary>Counter: ordinal low, ordinal high with the stream in its top bit, completion, position.</summary>
    Sampling = 2,
    /// <summary>Counter: problem, sample, completion, position. (Greedy answers draw nothing.)</summary>
    Evaluation = 3,
    /// <summary>The order of a step's groups in its passes; counter as PromptOrder, with step and pass.</summary>
    BatchOrder = 4,
    /// <summary>The tokens that clip-cov leaves out of an update; counter: step low, step high, update within the step, 0.</summary>
    TokenDraw = 5,
}

/// <summary>Keys of all random numbers of a run: key = first 64 bits (big-endian) of SHA-256(run seed as int64 LE, purpose in UTF-8, phase as int32 LE).</summary>
public readonly record struct SeedTree(ulong RunSeed)
{
    public ulong Key(SeedPurpose purpose, int phase)
    {
        Span<byte> data = stackalloc byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(data, RunSeed);
        int name = Encoding.UTF8.GetBytes(purpose.ToString(), data[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(data[(8 + name)..], phase);
        return Digest.Of(data[..(12 + name)]).A;
    }

    /// <summary>The stream that a group's tokens are drawn from.</summary>
    public CounterRandom Sampling(GroupId group) => new(
        Key(SeedPurpose.Sampling, group.Phase),
        (uint)group.Ordinal,
        (uint)(group.Ordinal >> 32) | (group.Stream == GroupStream.Refill ? 0x8000_0000u : 0u));

    /// <summary>Keys one draw of tokens: 64 bits of the purpose's stream.</summary>
    /// <param name="update">Of the step, from 0.</param>
    public ulong TokenDraw(int phase, long step, uint update)
    {
        PhiloxBlock block = Philox.Block(Key(SeedPurpose.TokenDraw, phase), (uint)step, (uint)(step >> 32), update, 0);
        return ((ulong)block.Word1 << 32) | block.Word0;
    }

    /// <summary>The stream that an evaluation problem's tokens are drawn from (words 0 and 1: problem, sample).</summary>
    public CounterRandom Evaluation(int phase, uint problem, uint sample) => new(Key(SeedPurpose.Evaluation, phase), problem, sample);
}

/// <summary>Philox4x32-10 under one key with the first two counter words fixed.</summary>
public readonly record struct CounterRandom(ulong Key, uint Word0, uint Word1)
{
    /// <summary>Uniform in [0, 1): the top 24 bits of word 0 of the block, times 2^-24.</summary>
    public float Uniform(uint completion, uint position) => Philox.Block(Key, Word0, Word1, completion, position).Uniform;
}
