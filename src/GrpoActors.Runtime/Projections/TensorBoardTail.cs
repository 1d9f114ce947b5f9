using System.Buffers.Binary;
using GrpoActors.Formats;

namespace GrpoActors.Runtime.Projections;

/// <summary>Finds the end of a step in a TensorBoard event file: frames of TFRecord around events whose field 2 is the step.</summary>
internal static class TensorBoardTail
{
    private const int HeadBytes = 12, FootBytes = 4;
    private const int EventBytesMax = 1 << 20;

    /// <summary>A file without even its first event counts as torn.</summary>
    public static Tail Of(Stream file)
    {
        long last = 0, end = 0;
        foreach ((long step, long frameEnd) in Frames(file))
        {
            last = Math.Max(last, step);
            end = frameEnd;
        }

        return new Tail(last, IsTorn: end < file.Length || end == 0);
    }

    /// <summary>Cuts everything from the first event after step <paramref name="step"/> on, and leaves the stream at its end.</summary>
    /// <returns>False if nothing is left, not even the first event.</returns>
    public static bool Cut(Stream file, long step)
    {
        long end = 0;
        foreach ((long at, long frameEnd) in Frames(file))
        {
            if (at > step)
            {
                break;
            }

            end = frameEnd;
        }

        file.SetLength(end);
        file.Position = end;
        return end > 0;
    }

    /// <summary>The step of each whole frame, with the offset behind it; ends where a frame is not whole.</summary>
    private static IEnumerable<(long Step, long End)> Frames(Stream file)
    {
        file.Position = 0;
        byte[] head = new byte[HeadBytes];
        long end = 0;
        while (file.ReadAtLeast(head, HeadBytes, throwOnEndOfStream: false) == HeadBytes)
        {
            long length = BinaryPrimitives.ReadInt64LittleEndian(head);
            if (Crc32C.Masked(head.AsSpan(0, 8)) != BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8)) || length is < 0 or > EventBytesMax)
            {
                yield break;
            }

            byte[] body = new byte[length + FootBytes];
            if (file.ReadAtLeast(body, body.Length, throwOnEndOfStream: false) < body.Length
                || Crc32C.Masked(body.AsSpan(0, (int)length)) != BinaryPrimitives.ReadUInt32LittleEndian(body.AsSpan((int)length)))
            {
                yield break;
            }

            end += HeadBytes + body.Length;
            yield return (StepOf(body.AsSpan(0, (int)length)), end);
        }
    }

    /// <summary>Field 2 of the event, 0 if absent.</summary>
    private static long StepOf(ReadOnlySpan<byte> message)
    {
        while (!message.IsEmpty)
        {
            ulong tag = Varint(ref message);
            switch (tag)
            {
                case 2 << 3:
                    return (long)Varint(ref message);
                case 1 << 3 | 1: // wall_time, a double
                    message = message[Math.Min(sizeof(double), message.Length)..];
                    break;
                default:
                    return 0; // fields come in ascending order: what follows the step's place is no step
            }
        }

        return 0;
    }

    private static ulong Varint(ref ReadOnlySpan<byte> message)
    {
        ulong value = 0;
        for (int shift = 0; !message.IsEmpty && shift < 64; shift += 7)
        {
            byte next = message[0];
            message = message[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                break;
            }
        }

        return value;
    }
}
