using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using GrpoActors.Core;

namespace GrpoActors.Engine.Models;

/// <summary>The hash of weights that people compare (<c>weightsSha256</c>).</summary>
public static class WeightsDigest
{
    /// <summary>SHA-256 over the tensors in ordinal order of names: name in UTF-8, a zero byte, dimensions as int64, values as float32, all little-endian.</summary>
    /// <param name="tensors">In any order; names differ.</param>
    public static Digest Of(IEnumerable<NamedTensor> tensors) => OfOrdered(tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal));

    /// <summary>The same of tensors that come in ordinal order of names, each taken as it comes.</summary>
    internal static Digest OfOrdered(IEnumerable<NamedTensor> tensors)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(sha, tensors);
        return Finish(sha);
    }

    /// <summary>The same over the moments, then the number of updates (<c>optimizerSha256</c>). A frozen reference is no mutated state: the journal names it.</summary>
    public static Digest OfOptimizer(TrainerState state)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(sha, state.Moments.OrderBy(tensor => tensor.Name, StringComparer.Ordinal));
        AppendInt64(sha, state.OptimizerSteps);
        return Finish(sha);
    }

    private static void Append(IncrementalHash sha, IEnumerable<NamedTensor> tensors)
    {
        foreach (NamedTensor tensor in tensors)
        {
            sha.AppendData(Encoding.UTF8.GetBytes(tensor.Name));
            sha.AppendData([0]);
            foreach (long dimension in tensor.Shape)
            {
                AppendInt64(sha, dimension);
            }

            AppendFloats(sha, tensor.Values.Span);
        }
    }

    private static void AppendFloats(IncrementalHash sha, ReadOnlySpan<float> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            // A span of bytes holds at most 2^31 of them.
            for (int start = 0; start < values.Length; start += 1 << 24)
            {
                sha.AppendData(MemoryMarshal.AsBytes(values.Slice(start, Math.Min(1 << 24, values.Length - start))));
            }

            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(float)];
        foreach (float value in values)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            sha.AppendData(bytes);
        }
    }

    private static void AppendInt64(IncrementalHash sha, long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        sha.AppendData(bytes);
    }

    private static Digest Finish(IncrementalHash sha)
    {
        Span<byte> hash = stackalloc byte[Digest.ByteLength];
        sha.GetHashAndReset(hash);
        return Digest.FromBytes(hash);
    }
}
