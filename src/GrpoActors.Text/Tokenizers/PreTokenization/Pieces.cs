namespace GrpoActors.Text;

/// <summary>A stretch of text and where it is cut. Pre-tokenizers cut further, in place; some also rewrite the text.</summary>
/// <remarks>Reused from text to text, so that cutting allocates nothing once the buffers have grown.</remarks>
internal sealed class Pieces
{
    private char[] _text = [];
    private char[] _rewritten = [];
    private List<(int Start, int End)> _ranges = [];
    private List<(int Start, int End)> _cut = [];
    private int _rewrittenLength;

    public ReadOnlySpan<char> Text => _text.AsSpan(0, TextLength);

    public int TextLength { get; private set; }

    public List<(int Start, int End)> Ranges => _ranges;

    /// <summary>Whether the first piece stands where the whole text begins.</summary>
    public bool BeginsText { get; private set; }

    public void Reset(ReadOnlySpan<char> text, bool beginsText)
    {
        if (_text.Length < text.Length)
        {
            _text = new char[Math.Max(text.Length, 2 * _text.Length)];
        }

        text.CopyTo(_text);
        TextLength = text.Length;
        BeginsText = beginsText;
        _ranges.Clear();
        if (text.Length > 0)
        {
            _ranges.Add((0, text.Length));
        }
    }

    /// <summary>Adds a piece to the next cut; empty ones vanish.</summary>
    public void Keep(int start, int end)
    {
        if (end > start)
        {
            _cut.Add((start, end));
        }
    }

    /// <summary>What was kept becomes the pieces.</summary>
    public void Commit()
    {
        (_ranges, _cut) = (_cut, _ranges);
        _cut.Clear();
    }

    /// <summary>Adds a piece of new text to the next cut.</summary>
    public void KeepRewritten(ReadOnlySpan<char> piece)
    {
        if (_rewritten.Length < _rewrittenLength + piece.Length)
        {
            Array.Resize(ref _rewritten, Math.Max(_rewrittenLength + piece.Length, 2 * _rewritten.Length));
        }

        piece.CopyTo(_rewritten.AsSpan(_rewrittenLength));
        Keep(_rewrittenLength, _rewrittenLength += piece.Length);
    }

    /// <summary>The new text and its pieces replace the old.</summary>
    public void CommitRewritten()
    {
        (_text, _rewritten) = (_rewritten, _text);
        TextLength = _rewrittenLength;
        _rewrittenLength = 0;
        Commit();
    }
}
