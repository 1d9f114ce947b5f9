using System.Globalization;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Where an answer stood in its text.</summary>
public enum AnswerPlace
{
    /// <summary>Nowhere: thinking that did not end, nothing behind it, an empty box.</summary>
    None,

    /// <summary><c>\boxed{...}</c>, <c>\boxed 2</c>, <c>\fbox{...}</c>; several beside each other are a list.</summary>
    Box,

    /// <summary>Behind <c>####</c>, to the end of the line.</summary>
    Hashes,

    /// <summary>Between <c>&lt;answer&gt;</c> and <c>&lt;/answer&gt;</c>.</summary>
    Tag,

    /// <summary>Behind "the answer is", "Answer:" or the like, to the end of the sentence.</summary>
    Statement,

    /// <summary>The text is nothing but the answer.</summary>
    Whole,
}

/// <summary>Finds the answer in a text that ends with one. Each takes time linear in the text and none throws.</summary>
public static class AnswerExtraction
{
    private static readonly string[] ThinkingTags = ["think>", "thinking>", "thought>", "reasoning>", "scratchpad>"];

    /// <summary>
    /// What follows the last end of thinking; what stands in front of thinking that does not end. A box in <c>&lt;think&gt;</c> is no answer.
    /// </summary>
    public static string WithoutThinking(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int from = 0, begin = -1;
        for (int at = 0; at < text.Length; at++)
        {
            if (text[at] != '<')
            {
                continue;
            }

            bool closes = at + 1 < text.Length && text[at + 1] == '/';
            int name = at + (closes ? 2 : 1);
            if (name >= text.Length || !char.IsAsciiLetter(text[name])
                || Array.Find(ThinkingTags, tag => string.Compare(text, name, tag, 0, tag.Length, StringComparison.OrdinalIgnoreCase) == 0) is not { } tag)
            {
                continue;
            }

            (from, begin) = closes ? (name + tag.Length, -1) : (from, begin < 0 ? at : begin);
        }

        return text[from..(begin < 0 ? text.Length : begin)];
    }

    /// <summary>What follows the last <c>####</c>, up to the end of its line: GSM8K's way. Null if there is none.</summary>
    public static string? LastAfterHashes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Hashes(text) is { } found ? found.Text : null;
    }

    /// <summary>
    /// The content of the last box, braces balanced; of several boxes beside each other ("\boxed{3} or \boxed{4}") all. Null if there is none.
    /// </summary>
    public static string? LastBoxed(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Boxes.Last(text) is { } found ? found.Text : null;
    }

    /// <summary>What follows the last "answer is" or "answer:", up to the end of the sentence or line. Null if there is none.</summary>
    public static string? LastStated(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Statement.Last(text) is { } found ? found.Sentence : null;
    }

    internal readonly record struct Found(string Text, int Start, int End);

    internal static Found? Hashes(string text)
    {
        int at = text.LastIndexOf("####", StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        int end = text.AsSpan(at).IndexOfAny('\n', '\r');
        end = end < 0 ? text.Length : at + end;
        string answer = text[(at + 4)..end].Trim();
        return answer.Length == 0 ? null : new(answer, at, end);
    }

    internal static Found? Tag(string text)
    {
        const string Opening = "<answer>", Closing = "</answer>";
        int at = text.LastIndexOf(Opening, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
        {
            return null;
        }

        int end = text.IndexOf(Closing, at, StringComparison.OrdinalIgnoreCase), start = at + Opening.Length;
        return new(text[start..(end < 0 ? text.Length : end)].Trim(), at, end < 0 ? text.Length : end + Closing.Length);
    }

    /// <summary>"#### Step 2" in front of further text is a heading of Markdown's.</summary>
    internal static bool IsHeading(string text, Found hashes) =>
        !text.AsSpan(hashes.End).IsWhiteSpace() && hashes.Text.TrimStart('*', ' ') is [var first, ..] && char.IsLetter(first)
            && AnswerParser.Read(hashes.Text) is null;

    /// <summary>Lines that a sentence's end is looked for in.</summary>
    internal static bool IsSentenceEnd(string text, int at)
    {
        if (text[at] is '\n' or '\r')
        {
            return true;
        }

        if (text[at] is not ('.' or '!' or '?') || (at + 1 < text.Length && !char.IsWhiteSpace(text[at + 1])))
        {
            return false;
        }

        // "36 sq. inches" goes on; what begins with a capital, a digit or mathematics does not.
        int next = at + 1;
        while (next < text.Length && text[next] is ' ' or '\t')
        {
            next++;
        }

        return next >= text.Length || text[next] is '\n' or '\r' or '\\' or '$' or '*'
            or '(' or '<' or '#' || char.IsUpper(text[next]) || char.GetUnicodeCategory(text[next]) == UnicodeCategory.OtherLetter;
    }
}
