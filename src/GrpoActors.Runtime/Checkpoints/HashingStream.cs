using System.Security.Cryptography;
using GrpoActors.Core;

namespace GrpoActors.Runtime.Checkpoints;

/// <summary>Passes on what is written or read and hashes it on the way. Does not own the stream behind it.</summary>
/// <param name="behind">Null: what is written is only hashed.</param>
internal sealed class HashingStream(Stream? behind) : Stream
{
    private readonly IncrementalHash sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long count;

    public long Count => count;

    public override bool CanRead => behind?.CanRead ?? false;

    public override bool CanSeek => false;

    public override bool CanWrite => behind?.CanWrite ?? true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => count;
        set => throw new NotSupportedException();
    }

    /// <summary>Of all that has passed; can be asked for once.</summary>
    public Digest Finish()
    {
        Span<byte> hash = stackalloc byte[Digest.ByteLength];
        sha.GetHashAndReset(hash);
        return Digest.FromBytes(hash);
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        behind?.Write(buffer);
        sha.AppendData(buffer);
        count += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int read = behind!.Read(buffer);
        sha.AppendData(buffer[..read]);
        count += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() => behind?.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            sha.Dispose();
        }

        base.Dispose(disposing);
    }
}
