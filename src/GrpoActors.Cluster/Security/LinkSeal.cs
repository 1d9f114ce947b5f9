using System.Buffers.Binary;
using System.Security.Cryptography;

namespace GrpoActors.Cluster.Security;

/// <summary>The tags of the frames of one direction of a connection. Not thread-safe: frames have an order.</summary>
internal sealed class LinkSeal(byte[] key) : IDisposable
{
    /// <summary>Of HMAC-SHA256's 32; RFC 2104 asks for at least half.</summary>
    public const int TagBytes = 16;

    private readonly IncrementalHash hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
    private ulong frames;

    /// <summary>The payload and its tag. The frame counts once it is <see cref="Advance">sent</see>.</summary>
    public byte[] Seal(ReadOnlySpan<byte> payload)
    {
        byte[] frame = GC.AllocateUninitializedArray<byte>(payload.Length + TagBytes);
        payload.CopyTo(frame);
        Span<byte> tag = stackalloc byte[HMACSHA256.HashSizeInBytes];
        TagOf(payload, tag);
        tag[..TagBytes].CopyTo(frame.AsSpan(payload.Length));
        return frame;
    }

    public void Advance() => frames++;

    /// <returns>Length of the payload, which begins the frame; null where the tag is not that of the next frame.</returns>
    public int? Open(ReadOnlySpan<byte> frame)
    {
        int length = frame.Length - TagBytes;
        if (length < 0)
        {
            return null;
        }

        Span<byte> tag = stackalloc byte[HMACSHA256.HashSizeInBytes];
        TagOf(frame[..length], tag);
        if (!CryptographicOperations.FixedTimeEquals(tag[..TagBytes], frame[length..]))
        {
            return null;
        }

        Advance();
        return length;
    }

    public void Dispose() => hmac.Dispose();

    private void TagOf(ReadOnlySpan<byte> payload, Span<byte> tag)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(number, frames);
        hmac.AppendData(number);
        hmac.AppendData(payload);
        hmac.GetHashAndReset(tag);
    }
}
