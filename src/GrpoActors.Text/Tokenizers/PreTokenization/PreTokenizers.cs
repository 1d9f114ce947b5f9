namespace GrpoActors.Text;

/// <summary>Reads a <c>pre_tokenizer</c>.</summary>
internal static class PreTokenizers
{
    /// <summary>GPT-2's pattern, which ByteLevel brings along.</summary>
    private const string ByteLevelPattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    // Words as Rust's regular expressions see them, which this one pre-tokenizer uses instead of Oniguruma.
    private const string RustWord = @"[\w&&[^\u00B2\u00B3\u00B9\u00BC-\u00BE]]\u200C\u200D";

    private static readonly string[] Supported =
        ["ByteLevel", "Split", "Digits", "Metaspace", "Punctuation", "Whitespace", "WhitespaceSplit", "CharDelimiterSplit", "Sequence"];

    /// <summary>In the order they are applied; sequences laid out flat.</summary>
    public static IReadOnlyList<PreTokenizer> Read(TokenizerJson preTokenizer)
    {
        if (preTokenizer.IsNull)
        {
            return [];
        }

        string type = preTokenizer.Type();
        return type switch
        {
            "Sequence" => [.. preTokenizer["pretokenizers"].Items().SelectMany(Read)],
            "ByteLevel" => ByteLevel(preTokenizer),
            "Split" => [new Split(TextPattern.Read(preTokenizer["pattern"]), Behavior(preTokenizer["behavior"]), preTokenizer["invert"].Bool(absent: false))],
            "Digits" => [new Split(TextPattern.Of(@"\p{N}"), preTokenizer["individual_digits"].Bool(absent: false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous, invert: false)],
            "Metaspace" => [Metaspace(preTokenizer)],
            "Punctuation" => [new Split(TextPattern.Of(@"[\p{P}$+<=>^`|~]"), preTokenizer["behavior"].IsNull ? SplitBehavior.Isolated : Behavior(preTokenizer["behavior"]), invert: false)],
            "Whitespace" => [new Split(TextPattern.Of($@"[{RustWord}]+|[^{RustWord}\s]+"), SplitBehavior.Removed, invert: true)],
            "WhitespaceSplit" => [new Split(TextPattern.Of(@"\s"), SplitBehavior.Removed, invert: false)],
            "CharDelimiterSplit" => [new Split(TextPattern.Of($"\\x{{{(int)Character(preTokenizer["delimiter"]):X}}}"), SplitBehavior.Removed, invert: false)],
            _ => throw preTokenizer.Unsupported(type, "pre-tokenizer", Supported),
        };
    }

    /// <summary>Metaspace's prepend_scheme, which older files give as add_prefix_space.</summary>
    public static Metaspace.Prepend PrependScheme(TokenizerJson metaspace)
    {
        var scheme = metaspace["prepend_scheme"];
        if (scheme.IsNull)
        {
            return metaspace["add_prefix_space"].Bool(absent: true) ? Text.Metaspace.Prepend.Always : Text.Metaspace.Prepend.Never;
        }

        return scheme.String() switch
        {
            "always" => Text.Metaspace.Prepend.Always,
            "first" => Text.Metaspace.Prepend.First,
            "never" => Text.Metaspace.Prepend.Never,
            var other => throw scheme.Wrong($"is '{other}', where always, first or never was expected"),
        };
    }

    public static char Character(TokenizerJson value)
    {
        string text = value.String();
        return text.Length == 1 ? text[0] : throw value.Wrong($"is '{text}', where one character was expected");
    }

    private static PreTokenizer[] ByteLevel(TokenizerJson byteLevel)
    {
        var steps = new List<PreTokenizer>();
        if (byteLevel["add_prefix_space"].Bool(absent: true))
        {
            steps.Add(new PrefixSpace());
        }

        if (byteLevel["use_regex"].Bool(absent: true))
        {
            steps.Add(new Split(TextPattern.Of(ByteLevelPattern), SplitBehavior.Isolated, invert: false));
        }

        return [.. steps, new SpellBytes()];
    }

    private static Metaspace Metaspace(TokenizerJson metaspace) =>
        new(metaspace["replacement"].IsNull ? '▁' : Character(metaspace["replacement"]), PrependScheme(metaspace), metaspace["split"].Bool(absent: true));

    private static SplitBehavior Behavior(TokenizerJson behavior)
    {
        string name = behavior.String();
        return Enum.TryParse(name, out SplitBehavior value) && Enum.IsDefined(value) && !char.IsAsciiDigit(name[0])
            ? value
            : throw behavior.Wrong($"is '{name}', where one of {string.Join(", ", Enum.GetNames<SplitBehavior>())} was expected");
    }
}
