using System.Text.RegularExpressions;

namespace GrpoActors.Rewards;

/// <summary>What is wrong with a regular expression, or means something else here than in Python, in which most patterns are written.</summary>
internal static partial class PatternFault
{
    /// <summary>Continues "which is no regular expression:".</summary>
    public static string Words(RegexParseException e) => $"{What(e.Error)} (character {e.Offset})";

    /// <summary>A repetition without its least number, which .NET reads as the letters themselves; null: there is none.</summary>
    public static string? OpenRepetition(string pattern)
    {
        Match found = Outside().Matches(pattern).FirstOrDefault(part => part.Value.StartsWith('{')) ?? Match.Empty;
        return found.Success ? found.Value : null;
    }

    // Escapes and character classes are consumed, so that a brace within them is none.
    [GeneratedRegex(@"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{,\d+\}", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Outside();

    private static string What(RegexParseError error) => error switch
    {
        RegexParseError.InsufficientClosingParentheses => "a ( is never closed",
        RegexParseError.InsufficientOpeningParentheses => "a ) closes nothing",
        RegexParseError.UnterminatedBracket => "a [ is never closed",
        RegexParseError.UnterminatedComment => "a comment (?# is never closed",
        RegexParseError.QuantifierAfterNothing => "a repetition (*, +, ? or {n}) stands behind nothing",
        RegexParseError.NestedQuantifiersNotParenthesized => "two repetitions follow each other; Python's possessive a++ is written (?>a+)",
        RegexParseError.ReversedQuantifierRange => "a repetition {m,n} has m above n",
        RegexParseError.ReversedCharacterRange => "a range of characters runs backwards",
        RegexParseError.QuantifierOrCaptureGroupOutOfRange => "a number is too large",
        RegexParseError.InvalidGroupingConstruct => "a group begins with (? and goes on unlike any known one; Python's (?P<name>...) is written (?<name>...), (?P=name) is \\k<name>",
        RegexParseError.UndefinedNumberedReference or RegexParseError.UndefinedNamedReference or RegexParseError.AlternationHasUndefinedReference => "it refers to a group that it does not have",
        RegexParseError.UnescapedEndingBackslash => "it ends with a single backslash",
        RegexParseError.UnrecognizedEscape or RegexParseError.UnrecognizedControlCharacter or RegexParseError.MissingControlCharacter => "it has an unknown escape",
        RegexParseError.InsufficientOrInvalidHexDigits => "an escape needs more hexadecimal digits",
        RegexParseError.InvalidUnicodePropertyEscape or RegexParseError.MalformedUnicodePropertyEscape => "an escape \\p{...} names no class of characters",
        RegexParseError.CaptureGroupNameInvalid or RegexParseError.MalformedNamedReference => "a group's name is none",
        RegexParseError.CaptureGroupOfZero => "a group is numbered 0",
        _ => "it cannot be read",
    };
}
