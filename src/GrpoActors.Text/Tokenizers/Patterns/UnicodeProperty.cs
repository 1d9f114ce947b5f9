using static System.Globalization.UnicodeCategory;

namespace GrpoActors.Text;

/// <summary>The sets that <c>\p{Name}</c>, <c>[:name:]</c> and the one-letter classes stand for.</summary>
/// <remarks>Categories come from .NET's Unicode tables. .NET has no table of scripts: those that published tokenizers name are spelled out
/// here, from Unicode's Scripts.txt (version 15.1).</remarks>
internal static class UnicodeProperty
{
    private static readonly CodePointSet Letters = CodePointSet.Category(UppercaseLetter, LowercaseLetter, TitlecaseLetter, ModifierLetter, OtherLetter);
    private static readonly CodePointSet Marks = CodePointSet.Category(NonSpacingMark, SpacingCombiningMark, EnclosingMark);
    private static readonly CodePointSet Punctuation = CodePointSet.Category(
        ConnectorPunctuation, DashPunctuation, OpenPunctuation, ClosePunctuation, InitialQuotePunctuation, FinalQuotePunctuation, OtherPunctuation);

    // Alphabetic beyond letters: letter numbers, circled and squared Latin letters. (Vowel signs, too, but those are marks.)
    private static readonly CodePointSet Alphabetic = Letters.Union(CodePointSet.Category(LetterNumber))
        .Union(CodePointSet.Of((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)));

    private static readonly CodePointSet Han = CodePointSet.Of(
        (0x2E80, 0x2E99), (0x2E9B, 0x2EF3), (0x2F00, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B),
        (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFA6D), (0xFA70, 0xFAD9), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1), (0x20000, 0x2A6DF),
        (0x2A700, 0x2B739), (0x2B740, 0x2B81D), (0x2B820, 0x2CEA1), (0x2CEB0, 0x2EBE0), (0x2EBF0, 0x2EE5D), (0x2F800, 0x2FA1D),
        (0x30000, 0x3134A), (0x31350, 0x323AF));

    private static readonly CodePointSet Hiragana = CodePointSet.Of(
        (0x3041, 0x3096), (0x309D, 0x309F), (0x1B001, 0x1B11F), (0x1B132, 0x1B132), (0x1B150, 0x1B152), (0x1F200, 0x1F200));

    private static readonly CodePointSet Katakana = CodePointSet.Of(
        (0x30A1, 0x30FA), (0x30FD, 0x30FF), (0x31F0, 0x31FF), (0x32D0, 0x32FE), (0x3300, 0x3357), (0xFF66, 0xFF6F), (0xFF71, 0xFF9D),
        (0x1AFF0, 0x1AFF3), (0x1AFF5, 0x1AFFB), (0x1AFFD, 0x1AFFE), (0x1B000, 0x1B000), (0x1B120, 0x1B122), (0x1B155, 0x1B155), (0x1B164, 0x1B167));

    private static readonly CodePointSet Hangul = CodePointSet.Of(
        (0x1100, 0x11FF), (0x302E, 0x302F), (0x3131, 0x318E), (0x3200, 0x321E), (0x3260, 0x327E), (0xA960, 0xA97C), (0xAC00, 0xD7A3),
        (0xD7B0, 0xD7C6), (0xD7CB, 0xD7FB), (0xFFA0, 0xFFBE), (0xFFC2, 0xFFC7), (0xFFCA, 0xFFCF), (0xFFD2, 0xFFD7), (0xFFDA, 0xFFDC));

    // What Rust's regular expressions call a word character; the two joiners are among them.
    private static readonly CodePointSet RustWord = Alphabetic.Union(Marks)
        .Union(CodePointSet.Category(DecimalDigitNumber, ConnectorPunctuation)).Union(CodePointSet.Range(0x200C, 0x200D));

    private static readonly CodePointSet PosixWord = RustWord.Intersect(CodePointSet.Range(0x200C, 0x200D).Complement());

    /// <summary>Oniguruma's <c>\w</c>: as Rust's without the joiners, but with the superscripts and fractions of Latin-1.</summary>
    public static CodePointSet Word { get; } = PosixWord.Union(CodePointSet.Of((0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE)));

    private static readonly Dictionary<string, CodePointSet> ByName = Named();

    public static CodePointSet Digit { get; } = CodePointSet.Category(DecimalDigitNumber);

    /// <summary>The set of a property, or null if the name is unknown. Case, spaces, hyphens and underscores do not count.</summary>
    public static CodePointSet? Find(string name) => ByName.GetValueOrDefault(Key(name));

    /// <summary>The set of a bracketed POSIX class such as <c>[:punct:]</c>, or null.</summary>
    /// <remarks>As Oniguruma's property of the same name, but for punct, which holds the symbols too, and word, without those of Latin-1.</remarks>
    public static CodePointSet? FindPosix(string name) => name switch
    {
        "punct" => Punctuation.Union(Find("S")!),
        "word" => PosixWord,
        "space" or "digit" or "xdigit" or "blank" or "cntrl" or "ascii" => Find(name),
        _ => null,
    };

    /// <summary>Whether a token beside this code point is not a word of its own.</summary>
    public static bool IsPartOfWord(int codePoint) => RustWord.Contains(codePoint);

    private static string Key(string name) => string.Concat(name.Where(c => c is not (' ' or '-' or '_'))).ToLowerInvariant();

    private static Dictionary<string, CodePointSet> Named()
    {
        (string Names, CodePointSet Set)[] table =
        [
            ("L Letter", Letters), ("M Mark", Marks), ("N Number", CodePointSet.Category(DecimalDigitNumber, LetterNumber, OtherNumber)),
            ("P Punctuation", Punctuation), ("S Symbol", CodePointSet.Category(MathSymbol, CurrencySymbol, ModifierSymbol, OtherSymbol)),
            ("Z Separator", CodePointSet.Category(SpaceSeparator, LineSeparator, ParagraphSeparator)),
            ("C Other", CodePointSet.Category(Control, Format, Surrogate, PrivateUse, OtherNotAssigned)),
            ("Lu UppercaseLetter", CodePointSet.Category(UppercaseLetter)), ("Ll LowercaseLetter", CodePointSet.Category(LowercaseLetter)),
            ("Lt TitlecaseLetter", CodePointSet.Category(TitlecaseLetter)), ("Lm ModifierLetter", CodePointSet.Category(ModifierLetter)),
            ("Lo OtherLetter", CodePointSet.Category(OtherLetter)), ("LC CasedLetter", CodePointSet.Category(UppercaseLetter, LowercaseLetter, TitlecaseLetter)),
            ("Mn NonspacingMark", CodePointSet.Category(NonSpacingMark)), ("Mc SpacingMark", CodePointSet.Category(SpacingCombiningMark)),
            ("Me EnclosingMark", CodePointSet.Category(EnclosingMark)), ("Nd DecimalNumber Digit", CodePointSet.Category(DecimalDigitNumber)),
            ("Nl LetterNumber", CodePointSet.Category(LetterNumber)), ("No OtherNumber", CodePointSet.Category(OtherNumber)),
            ("Pc ConnectorPunctuation", CodePointSet.Category(ConnectorPunctuation)), ("Pd DashPunctuation", CodePointSet.Category(DashPunctuation)),
            ("Ps OpenPunctuation", CodePointSet.Category(OpenPunctuation)), ("Pe ClosePunctuation", CodePointSet.Category(ClosePunctuation)),
            ("Pi InitialPunctuation", CodePointSet.Category(InitialQuotePunctuation)), ("Pf FinalPunctuation", CodePointSet.Category(FinalQuotePunctuation)),
            ("Po OtherPunctuation", CodePointSet.Category(OtherPunctuation)), ("Sm MathSymbol", CodePointSet.Category(MathSymbol)),
            ("Sc CurrencySymbol", CodePointSet.Category(CurrencySymbol)), ("Sk ModifierSymbol", CodePointSet.Category(ModifierSymbol)),
            ("So OtherSymbol", CodePointSet.Category(OtherSymbol)), ("Zs SpaceSeparator", CodePointSet.Category(SpaceSeparator)),
            ("Zl LineSeparator", CodePointSet.Category(LineSeparator)), ("Zp ParagraphSeparator", CodePointSet.Category(ParagraphSeparator)),
            ("Cc Control Cntrl", CodePointSet.Category(Control)), ("Cf Format", CodePointSet.Category(Format)),
            ("Co PrivateUse", CodePointSet.Category(PrivateUse)), ("Cn Unassigned", CodePointSet.Category(OtherNotAssigned)),
            ("Han", Han), ("Hiragana", Hiragana), ("Katakana", Katakana), ("Hangul", Hangul),
            ("Space WhiteSpace", CodePointSet.WhiteSpace), ("Word", Word), ("Punct", Punctuation),
            ("Xdigit", CodePointSet.Of(('0', '9'), ('A', 'F'), ('a', 'f'))), ("Blank", CodePointSet.Category(SpaceSeparator).Union(CodePointSet.Range('\t', '\t'))),
            ("ASCII", CodePointSet.Range(0, 0x7F)), ("Any", CodePointSet.All),
        ];
        return table.SelectMany(row => row.Names.Split(' ').Select(name => (name, row.Set))).ToDictionary(entry => Key(entry.name), entry => entry.Set);
    }
}
