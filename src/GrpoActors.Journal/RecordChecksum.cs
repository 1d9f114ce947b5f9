using System.Buffers;
using System.Buffers.Binary;
using GrpoActors.Formats;

namespace GrpoActors.Journal;

/// <summary>CRC-32C over position and fence (int64, little-endian) and payload: a record that was moved or put under another fence is found as well as one whose bytes changed.</summary>
public static class RecordChecksum
{
    private const int HeadBytes = 2 * sizeof(long);

    public static uint Of(long position, long fence, ReadOnlySpan<byte> payload)
    {
        byte[] covered = ArrayPool<byte>.Shared.Rent(HeadBytes + payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(covered, position);
        BinaryPrimitives.WriteInt64LittleEndian(covered.AsSpan(sizeof(long)), fence);
        payload.CopyTo(covered.AsSpan(HeadBytes));
        uint crc = Crc32C.Of(covered.AsSpan(0, HeadBytes + payload.Length));
        ArrayPool<byte>.Shared.Return(covered);
        return crc;
    }
}
