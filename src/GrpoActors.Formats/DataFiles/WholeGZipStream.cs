using System.IO.Compression;

namespace GrpoActors.Formats.DataFiles;

/// <summary>What a gzip file of one or several members holds; a file that was cut anywhere is damaged.</summary>
/// <remarks>
/// <see cref="GZipStream"/> takes the end of its source for the end of the text, wherever it comes. So a member of ours is appended to the source, and its content
/// must come out behind the text. What a cut file makes of that member's bytes is never given: as much as they could become is held back until the end is known.
/// </remarks>
internal sealed class WholeGZipStream : ReadOnlyStream
{
    private static readonly byte[] Mark = "the end of this file has been reached"u8.ToArray();
    private static readonly byte[] MarkMember = Packed(Mark);

    // A byte of deflate becomes at most 1,032.
    private static readonly int HeldBack = 1_032 * MarkMember.Length;

    private readonly GZipStream _unpacked;
    private readonly byte[] _buffer = new byte[4 * HeldBack];
    private int _begin;
    private int _end;
    private bool _isWhole;

    /// <param name="source">Left open.</param>
    public WholeGZipStream(Stream source) => _unpacked = new GZipStream(new MarkedStream(source), CompressionMode.Decompress);

    /// <exception cref="InvalidDataException">The file is damaged or cut.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (!_isWhole && _end - _begin <= HeldBack)
        {
            Fill();
        }

        int count = Math.Min(buffer.Length, _end - _begin - (_isWhole ? 0 : HeldBack));
        _buffer.AsSpan(_begin, count).CopyTo(buffer);
        _begin += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _unpacked.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Fill()
    {
        _buffer.AsSpan(_begin, _end - _begin).CopyTo(_buffer);
        (_begin, _end) = (0, _end - _begin);
        int read = _unpacked.Read(_buffer, _end, _buffer.Length - _end);
        _end += read;
        if (read == 0)
        {
            _isWhole = _buffer.AsSpan(0, _end).EndsWith(Mark) ? true : throw new InvalidDataException("The file was cut.");
            _end -= Mark.Length;
        }
    }

    private static byte[] Packed(byte[] content)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.NoCompression, leaveOpen: true))
        {
            gzip.Write(content);
        }

        return packed.ToArray();
    }

    private sealed class MarkedStream(Stream source) : ReadOnlyStream
    {
        private int _given;

        public override int Read(Span<byte> buffer)
        {
            int read = _given > 0 ? 0 : source.Read(buffer);
            if (read > 0 || buffer.IsEmpty)
            {
                return read;
            }

            int count = Math.Min(buffer.Length, MarkMember.Length - _given);
            MarkMember.AsSpan(_given, count).CopyTo(buffer);
            _given += count;
            return count;
        }
    }
}
