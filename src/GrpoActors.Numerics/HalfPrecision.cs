using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace GrpoActors.Numerics;

/// <summary>bfloat16 and float16 as files hold them (little-endian) to float and back.</summary>
public static class HalfPrecision
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

    /// <summary>Little-endian bytes as numbers of this machine.</summary>
    public static void ReadLittleEndian(ReadOnlySpan<byte> source, Span<ushort> destination)
    {
        Shapes.Equal(source.Length, 2L * destination.Length, nameof(source));
        for (int i = 0; i < destination.Length; i++)
            destination[i] = BinaryPrimitives.ReadUInt16LittleEndian(source[(2 * i)..]);
    }
}
