using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace GrpoActors.Numerics;

/// <summary>bfloat16 and float16 as files hold them (little-endian) to float and back.</summary>
public static unsafe class HalfPrecision
{
    /// <summary>Exact.</summary>
    public static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Shapes.Equal(destination.Length, source.Length, nameof(destination));
        for (int i = 0; i < source.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
    }

    /// <summary>Exact.</summary>
    public static void FromFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Shapes.Equal(destination.Length, source.Length, nameof(destination));
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<ushort, Half>(source), destination);
    }

    /// <summary>To the nearest, ties to even; a NaN stays a quiet NaN.</summary>
    public static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        Shapes.Equal(destination.Length, source.Length, nameof(destination));
        for (int i = 0; i < source.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);
            destination[i] = float.IsNaN(source[i]) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>To the nearest, ties to even.</summary>
    public static void ToFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        Shapes.Equal(destination.Length, source.Length, nameof(destination));
        TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<ushort, Half>(destination));
    }

    /// <summary>Whether bfloat16 holds every number exactly: all lower halves are 0.</summary>
    public static bool IsBFloat16(ReadOnlySpan<float> values)
    {
        const int At = 4096; // weights in training are not, and that shows at once
        for (int start = 0; start < values.Length; start += At)
        {
            Vector512<uint> seen = default;
            ReadOnlySpan<uint> block = MemoryMarshal.Cast<float, uint>(values.Slice(start, Math.Min(At, values.Length - start)));
            int i = 0;
            for (; i + Vector512<uint>.Count <= block.Length; i += Vector512<uint>.Count)
                seen |= Vector512.Create(block[i..]);
            uint rest = 0;
            for (; i < block.Length; i++)
                rest |= block[i];
            if (((seen | Vector512.Create(rest)) & Vector512.Create(0xFFFFu)) != default)
                return false;
        }
        return true;
    }

    /// <summary>bfloat16 to float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Widen(ushort* from, nint count, float* to)
    {
        for (nint i = 0; i < count; i++)
            to[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
    }

    /// <summary>Floats that bfloat16 holds exactly.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Narrow(float* from, nint count, ushort* to)
    {
        nint i = 0;
        for (; i + 32 <= count; i += 32)
            Vector512.Narrow(Vector512.ShiftRightLogical(Vector512.Load((uint*)from + i), 16), Vector512.ShiftRightLogical(Vector512.Load((uint*)from + i + 16), 16)).Store(to + i);
        for (; i < count; i++)
            to[i] = (ushort)(BitConverter.SingleToUInt32Bits(from[i]) >> 16);
    }

    /// <summary>Little-endian bytes as numbers of this machine.</summary>
    public static void ReadLittleEndian(ReadOnlySpan<byte> source, Span<ushort> destination)
    {
        Shapes.Equal(source.Length, 2L * destination.Length, nameof(source));
        for (int i = 0; i < destination.Length; i++)
            destination[i] = BinaryPrimitives.ReadUInt16LittleEndian(source[(2 * i)..]);
    }
}
