using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace GrpoActors.Core;

/// <summary>A SHA-256 value, compared by value, shown as 64 lower-case hexadecimal digits.</summary>
public readonly record struct Digest(ulong A, ulong B, ulong C, ulong D)
{
    public const int ByteLength = 32;

    public static Digest Of(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[ByteLength];
        SHA256.HashData(data, hash);
        return FromBytes(hash);
    }

    public static Digest Of(string text) => Of(Encoding.UTF8.GetBytes(text));

    /// <summary>SHA-256 over this value followed by <paramref name="data"/>: the link of a chain.</summary>
    public Digest Then(ReadOnlySpan<byte> data)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> hash = stackalloc byte[ByteLength];
        CopyTo(hash);
        sha.AppendData(hash);
        sha.AppendData(data);
        sha.GetHashAndReset(hash);
        return FromBytes(hash);
    }

    public Digest Then(Digest next)
    {
        Span<byte> bytes = stackalloc byte[ByteLength];
        next.CopyTo(bytes);
        return Then(bytes);
    }

    public static Digest FromBytes(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    public void CopyTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, A);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], D);
    }

    public static Digest Parse(string hex) => FromBytes(Convert.FromHexString(hex));

    public override string ToString() => $"{A:x16}{B:x16}{C:x16}{D:x16}";
}
