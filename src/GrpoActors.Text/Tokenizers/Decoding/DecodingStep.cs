using System.Text;

namespace GrpoActors.Text;

/// <summary>One step of a decoder for one sequence: takes tokens, hands text on. A whole decoding is the same steps with all tokens
/// pushed, so it cannot differ from a streamed one.</summary>
internal abstract class DecodingStep(DecodingStep? next)
{
    protected DecodingStep Next => next!;

    public abstract void Push(string token);

    public virtual void Finish() => next?.Finish();
}

/// <summary>The last step: collects the text.</summary>
internal sealed class DecodedText() : DecodingStep(null)
{
    private readonly StringBuilder _text = new();

    public override void Push(string token) => _text.Append(token);

    public string Take()
    {
        if (_text.Length == 0)
        {
            return "";
        }

        string text = _text.ToString();
        _text.Clear();
        return text;
    }
}

/// <summary>Rewrites each token by itself.</summary>
internal sealed class EachToken(Func<string, string> rewrite, DecodingStep next) : DecodingStep(next)
{
    public override void Push(string token) => Next.Push(rewrite(token));
}

/// <summary>Rewrites the first token in one way and the others in another.</summary>
internal sealed class FirstToken(Func<string, string> first, Func<string, string> others, DecodingStep next) : DecodingStep(next)
{
    private bool _begun;

    public override void Push(string token)
    {
        Next.Push(_begun ? others(token) : first(token));
        _begun = true;
    }
}

/// <summary>A space between tokens: what becomes of tokens where a file has no decoder.</summary>
internal sealed class Spaced(DecodingStep next) : DecodingStep(next)
{
    private bool _begun;

    public override void Push(string token)
    {
        Next.Push(_begun ? " " + token : token);
        _begun = true;
    }
}

/// <summary>Tokens in GPT-2's alphabet to the UTF-8 text they spell; a token with any other character is text itself.</summary>
internal sealed class SpelledBytes(DecodingStep next) : DecodingStep(next)
{
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();

    public override void Push(string token)
    {
        Span<byte> small = stackalloc byte[256];
        int size = Encoding.UTF8.GetMaxByteCount(token.Length);
        var bytes = size <= small.Length ? small : new byte[size];
        int count = 0;
        for (; count < token.Length && ByteAlphabet.Byte(token[count]) is >= 0 and var value; count++)
        {
            bytes[count] = (byte)value;
        }

        if (count < token.Length)
        {
            count = Encoding.UTF8.GetBytes(token, bytes);
        }

        Emit(bytes[..count], flush: false);
    }

    public override void Finish()
    {
        Emit([], flush: true);
        base.Finish();
    }

    private void Emit(ReadOnlySpan<byte> bytes, bool flush)
    {
        Span<char> small = stackalloc char[260];
        var chars = bytes.Length + 4 <= small.Length ? small : new char[bytes.Length + 4];
        int count = _utf8.GetChars(bytes, chars, flush);
        if (count > 0)
        {
            Next.Push(new string(chars[..count]));
        }
    }
}

/// <summary>Runs of byte tokens (<c>&lt;0xE2&gt;</c>) to the text they spell; a run that is no UTF-8 becomes one U+FFFD a byte.</summary>
/// <remarks>A run counts as a whole, so its text waits for the token after it.</remarks>
internal sealed class FallbackBytes(DecodingStep next) : DecodingStep(next)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly List<byte> _run = [];

    public override void Push(string token)
    {
        if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out byte value))
        {
            _run.Add(value);
            return;
        }

        Flush();
        Next.Push(token);
    }

    public override void Finish()
    {
        Flush();
        base.Finish();
    }

    private void Flush()
    {
        if (_run.Count == 0)
        {
            return;
        }

        string text;
        try
        {
            text = Strict.GetString([.. _run]);
        }
        catch (DecoderFallbackException)
        {
            text = new string('\uFFFD', _run.Count);
        }

        _run.Clear();
        Next.Push(text);
    }
}

/// <summary>Takes up to <paramref name="count"/> leading characters off the whole text.</summary>
internal sealed class StripLeading(char character, int count, DecodingStep next) : DecodingStep(next)
{
    private int _left = count;

    public override void Push(string token)
    {
        int strip = 0;
        while (_left > 0 && strip < token.Length && token[strip] == character)
        {
            strip++;
            _left--;
        }

        _left = strip < token.Length ? 0 : _left;
        Next.Push(token[strip..]);
    }
}

/// <summary>Hands on everything as one token at the end, for steps that must see the whole.</summary>
internal sealed class Whole(DecodingStep next) : DecodingStep(next)
{
    private readonly StringBuilder _text = new();

    public override void Push(string token) => _text.Append(token);

    public override void Finish()
    {
        Next.Push(_text.ToString());
        base.Finish();
    }
}
