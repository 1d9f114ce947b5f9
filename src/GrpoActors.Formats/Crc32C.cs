using System.Buffers.Binary;
using System.Numerics;

namespace GrpoActors.Formats;

/// <summary>CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected), as in iSCSI, ext4 and TFRecord.</summary>
/// <remarks>Finds any change of up to 32 neighbouring bits. Source: RFC 3720, appendix B.4 (test vectors).</remarks>
public static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        }

        foreach (byte value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }

    /// <summary>TFRecord's form: rotated right by 15 bits, plus 0xA282EAD8, so that a checksum of data that holds checksums stays good.</summary>
    public static uint Masked(ReadOnlySpan<byte> data) => BitOperations.RotateRight(Of(data), 15) + 0xA282EAD8;
}
