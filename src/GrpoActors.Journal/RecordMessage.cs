using System.Buffers.Binary;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;

namespace GrpoActors.Journal;

/// <summary>
/// What the column <c>message</c> of Akka.Persistence.Sql's table holds for one event, little-endian:
/// <c>version u8 | fence i64 | CRC-32C u32 of position, fence and record | record</c>.
/// </summary>
internal static class RecordMessage
{
    /// <summary>Of the head. A change of the record's own layout raises the record's version, not this one.</summary>
    public const byte Version = 1;

    /// <summary>Stands in the column <c>identifier</c>: which serializer reads the message. Never used again for something else.</summary>
    public const int SerializerId = 71001;

    /// <summary>Stands in the column <c>manifest</c>.</summary>
    public const string Manifest = "event/1";

    public const int HeadBytes = 1 + sizeof(long) + sizeof(uint);

    public static byte[] Of(long position, long fence, RunEvent e)
    {
        byte[] record = EventRecord.Encode(e);
        return Of(new StoredRecord(position, fence, RecordChecksum.Of(position, fence, record), record));
    }

    public static byte[] Of(StoredRecord stored)
    {
        byte[] message = new byte[HeadBytes + stored.Payload.Length];
        message[0] = Version;
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(1), stored.Fence);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(1 + sizeof(long)), stored.Crc);
        stored.Payload.CopyTo(message, HeadBytes);
        return message;
    }

    /// <summary>Takes the head off. The checksum is not compared here.</summary>
    /// <exception cref="JournalFormatException">There is no head of a version that this program reads.</exception>
    public static StoredRecord Parse(long position, byte[] message)
    {
        RequireHead(message);
        return new StoredRecord(
            position,
            BinaryPrimitives.ReadInt64LittleEndian(message.AsSpan(1)),
            BinaryPrimitives.ReadUInt32LittleEndian(message.AsSpan(1 + sizeof(long))),
            message[HeadBytes..]);
    }

    /// <exception cref="JournalFormatException">There is no head of a version that this program reads.</exception>
    public static void RequireHead(ReadOnlySpan<byte> message)
    {
        if (message.Length < HeadBytes)
        {
            throw new JournalFormatException($"The stored message ends after {message.Length} bytes; its head alone has {HeadBytes}.");
        }

        if (message[0] != Version)
        {
            throw new JournalFormatException($"The stored message has version {message[0]}, and this program reads {Version}: use the program that wrote it, or a newer one.");
        }
    }
}
