using System.Text;
using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Byte-pair encoding: a word's characters, or bytes, merged into tokens.</summary>
/// <remarks>As Hugging Face's BPE, its drops included: a character that has no token, no bytes to fall back on and no unknown token gives
/// nothing (SmolLM2 lacks the tokens of 21 bytes, so it loses U+0004 or the bytes of U+40000, say). Dropout is a training device and refused.</remarks>
internal sealed class BytePairModel
{
    private readonly Vocabulary _vocabulary;
    private readonly MergeTable _merges;
    private readonly Settings _settings;
    private readonly int[] _idOfByte;
    private readonly int[] _fallbackIdOfByte;
    private readonly int[] _idOfUnit; // of characters in the basic plane
    private readonly HashSet<char>? _bridges;

    private BytePairModel(Vocabulary vocabulary, MergeTable merges, Settings settings, HashSet<char>? bridges)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _settings = settings;
        _bridges = bridges;
        _idOfByte = [.. Enumerable.Range(0, 256).Select(b => vocabulary.Id([ByteAlphabet.Char((byte)b)]))];
        _fallbackIdOfByte = [.. Enumerable.Range(0, 256).Select(b => vocabulary.Id($"<0x{b:X2}>"))];
        _idOfUnit = [.. Enumerable.Range(0, 0x10000).Select(unit => vocabulary.Id([(char)unit]))];
    }

    private sealed record Settings(string Prefix, string Suffix, int Unknown, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges)
    {
        public bool Decorates => Prefix.Length > 0 || Suffix.Length > 0;
    }

    public static BytePairModel Read(TokenizerJson model, Vocabulary vocabulary)
    {
        var dropout = model["dropout"];
        if (!dropout.IsNull && !(dropout.Element.ValueKind == JsonValueKind.Number && dropout.Element.TryGetDouble(out double rate) && rate == 0))
        {
            throw dropout.Wrong($"is {dropout.Element.GetRawText()}; dropout makes encoding random and is not supported, set it to null");
        }

        string? unknown = model["unk_token"].StringOrNull();
        int unknownId = unknown is null ? -1 : vocabulary.Id(unknown);
        if (unknown is not null && unknownId < 0)
        {
            throw model["unk_token"].Wrong($"is '{unknown}', which is not in the vocabulary");
        }

        var settings = new Settings(
            model["continuing_subword_prefix"].StringOrNull() ?? "",
            model["end_of_word_suffix"].StringOrNull() ?? "",
            unknownId,
            model["fuse_unk"].Bool(absent: false),
            model["byte_fallback"].Bool(absent: false),
            model["ignore_merges"].Bool(absent: false));
        var bridges = new HashSet<char>();
        var merges = MergeTable.Read(model["merges"], vocabulary, settings.Prefix, (left, right) =>
        {
            if (right.Length > 0 && left.Length > 0 && right[0] == WordStart)
            {
                bridges.Add(left[^1]);
            }
        });
        bool cuts = !settings.Decorates && !settings.IgnoreMerges && vocabulary.Id([WordStart]) >= 0;
        return new(vocabulary, merges, settings, cuts ? bridges : null);
    }

    /// <summary>SentencePiece's sign for a space.</summary>
    private const char WordStart = '▁';

    public Merging NewMerging() => new(_merges);

    /// <summary>Where a piece can be cut without changing its ids: the end of the first part of <paramref name="text"/>.</summary>
    /// <remarks>No merge reaches across a place before ▁ unless some merge's right half begins with ▁ and its left half ends with the character
    /// before it. Models of SentencePiece's kind see a whole text as one word; Gemma's 514,906 merges have one such bridge (">" and "▁&lt;/")
    /// besides runs of spaces, so its text falls into words, which repeat.</remarks>
    public int FirstPart(ReadOnlySpan<char> text)
    {
        if (_bridges is null)
        {
            return text.Length;
        }

        for (int at = 1; at < text.Length; at++)
        {
            int next = text[at..].IndexOf(WordStart);
            if (next < 0)
            {
                return text.Length;
            }

            at += next;
            // A character without a token becomes others, whose ends are not looked at here.
            if (_idOfUnit[text[at - 1]] >= 0 && !_bridges.Contains(text[at - 1]))
            {
                return at;
            }
        }

        return text.Length;
    }

    /// <summary>Adds the ids of a word given as the text whose UTF-8 bytes are its symbols.</summary>
    public void EncodeBytes(ReadOnlySpan<char> word, Merging merging, List<int> ids)
    {
        Span<byte> small = stackalloc byte[256];
        int size = Encoding.UTF8.GetMaxByteCount(word.Length);
        var bytes = size <= small.Length ? small : new byte[size];
        bytes = bytes[..Encoding.UTF8.GetBytes(word, bytes)];
        bool special = _settings.IgnoreMerges || _settings.Decorates || _settings.Unknown >= 0 || _settings.ByteFallback;
        if (special)
        {
            EncodeSpelled(bytes, merging, ids);
            return;
        }

        Span<int> smallSymbols = stackalloc int[256];
        var symbols = bytes.Length <= smallSymbols.Length ? smallSymbols : new int[bytes.Length];
        int count = 0;
        foreach (byte b in bytes)
        {
            int id = _idOfByte[b];
            if (id >= 0)
            {
                symbols[count++] = id;
            }
        }

        ids.AddRange(symbols[..merging.Merge(symbols[..count])]);
    }

    /// <summary>Adds the ids of a word.</summary>
    public void EncodeCharacters(ReadOnlySpan<char> word, Merging merging, List<int> ids)
    {
        if (_settings.IgnoreMerges && _vocabulary.Id(word) is >= 0 and var whole)
        {
            ids.Add(whole);
            return;
        }

        int size = (_settings.ByteFallback ? 4 : 2) * word.Length;
        Span<int> small = stackalloc int[256];
        var symbols = size <= small.Length ? small : new int[size];
        int count = Symbols(word, symbols);
        ids.AddRange(symbols[..merging.Merge(symbols[..count])]);
    }

    private void EncodeSpelled(ReadOnlySpan<byte> bytes, Merging merging, List<int> ids)
    {
        Span<char> small = stackalloc char[256];
        var spelled = bytes.Length <= small.Length ? small[..bytes.Length] : new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            spelled[i] = ByteAlphabet.Char(bytes[i]);
        }

        EncodeCharacters(spelled, merging, ids);
    }

    private int Symbols(ReadOnlySpan<char> word, Span<int> symbols)
    {
        int count = 0;
        bool unknown = false; // an unknown token waits, so that those after it can fuse with it
        for (int i = 0; i < word.Length;)
        {
            CodePoints.At(word, i, out int units);
            var character = word.Slice(i, units);
            int id = units == 1 && !_settings.Decorates ? _idOfUnit[character[0]] : Id(character, first: i == 0, last: i + units == word.Length);
            i += units;
            if (id >= 0)
            {
                count = Flush(symbols, count, ref unknown);
                symbols[count++] = id;
            }
            else if (!(_settings.ByteFallback && FallBack(character, symbols, ref count)) && _settings.Unknown >= 0)
            {
                if (!_settings.FuseUnknown)
                {
                    count = Flush(symbols, count, ref unknown);
                }

                unknown = true;
            }
        }

        return Flush(symbols, count, ref unknown);
    }

    private int Flush(Span<int> symbols, int count, ref bool unknown)
    {
        if (unknown)
        {
            symbols[count++] = _settings.Unknown;
            unknown = false;
        }

        return count;
    }

    private int Id(ReadOnlySpan<char> character, bool first, bool last)
    {
        if (!_settings.Decorates)
        {
            return _vocabulary.Id(character);
        }

        return _vocabulary.Id(string.Concat(first ? "" : _settings.Prefix, character, last ? _settings.Suffix : ""));
    }

    // All of a character's bytes, or none.
    private bool FallBack(ReadOnlySpan<char> character, Span<int> symbols, ref int count)
    {
        Span<byte> bytes = stackalloc byte[4];
        bytes = bytes[..Encoding.UTF8.GetBytes(character, bytes)];
        foreach (byte b in bytes)
        {
            if (_fallbackIdOfByte[b] < 0)
            {
                return false;
            }
        }

        foreach (byte b in bytes)
        {
            symbols[count++] = _fallbackIdOfByte[b];
        }

        return true;
    }
}
