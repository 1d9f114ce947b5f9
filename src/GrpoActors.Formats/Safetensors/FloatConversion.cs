using System.Numerics;
using System.Runtime.InteropServices;

namespace GrpoActors.Formats.Safetensors;

/// <summary>Between float32 and the 16-bit types, bit for bit: widening is exact, narrowing rounds to the nearest, ties to even.</summary>
public static class FloatConversion
{
    /// <param name="bfloat16">Shape [n], the bits; may be unaligned memory.</param>
    /// <param name="destination">Shape [n]; written.</param>
    public static void FromBFloat16(ReadOnlySpan<ushort> bfloat16, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination)[..bfloat16.Length];
        int i = 0;
        for (; i <= bfloat16.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(bfloat16[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.ShiftLeft(low, 16).CopyTo(bits[i..]);
            Vector.ShiftLeft(high, 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < bfloat16.Length; i++)
        {
            bits[i] = (uint)bfloat16[i] << 16;
        }
    }

    /// <param name="float16">Shape [n], the bits; may be unaligned memory.</param>
    /// <param name="destination">Shape [n]; written.</param>
    public static void FromFloat16(ReadOnlySpan<ushort> float16, Span<float> destination)
    {
        destination = destination[..float16.Length];
        int i = 0;
        for (; i <= float16.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(float16[i..]), out Vector<uint> low, out Vector<uint> high);
            Widened(low).CopyTo(destination[i..]);
            Widened(high).CopyTo(destination[(i + Vector<uint>.Count)..]);
        }

        for (; i < float16.Length; i++)
        {
            destination[i] = (float)BitConverter.UInt16BitsToHalf(float16[i]);
        }
    }

    /// <summary>Float16 bits in the low halves. The field shifted to float32's place is short of the exponent by 112, also where it is subnormal: one exact product mends both.</summary>
    private static Vector<float> Widened(Vector<uint> half)
    {
        Vector<uint> magnitude = half & new Vector<uint>(0x7FFF);
        Vector<float> scaled = Vector.AsVectorSingle(Vector.ShiftLeft(magnitude, 13)) * new Vector<float>(BitConverter.UInt32BitsToSingle((112u + 127u) << 23));
        Vector<uint> notFinite = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7C00)) & new Vector<uint>(0x7F80_0000);
        Vector<uint> sign = Vector.ShiftLeft(half & new Vector<uint>(0x8000), 16);
        return Vector.AsVectorSingle(Vector.AsVectorUInt32(scaled) | notFinite | sign);
    }

    /// <summary>NaN stays NaN; beyond the largest bfloat16 by half a unit or more gives infinity, as IEEE 754 rounds.</summary>
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | 0x0040) // quiet, so that a payload in the low half does not become infinity
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>NaN stays NaN; 65,520 and more gives infinity, as IEEE 754 rounds.</summary>
    public static ushort ToFloat16(float value) => BitConverter.HalfToUInt16Bits((Half)value);

    /// <summary>Index of the first NaN or infinity, or -1.</summary>
    public static int FirstNotFinite(ReadOnlySpan<float> values)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        var exponent = new Vector<uint>(0x7F80_0000);
        int i = 0;
        while (i <= bits.Length - Vector<uint>.Count && !Vector.EqualsAny(new Vector<uint>(bits[i..]) & exponent, exponent))
        {
            i += Vector<uint>.Count;
        }

        while (i < bits.Length && float.IsFinite(values[i]))
        {
            i++;
        }

        return i < bits.Length ? i : -1;
    }
}
