namespace GrpoActors.Rewards.Mathematics;

/// <summary>Finds the answer in a text that ends with one. Each takes time linear in the text and none throws.</summary>
public static class AnswerExtraction
{
    /// <summary>What follows the last <c>####</c>, up to the end of its line: GSM8K's way. Null if there is none.</summary>
    public static string? LastAfterHashes(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = text.LastIndexOf("####", StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }
        var rest = text.AsSpan(at + 4);
        int end = rest.IndexOfAny('\n', '\r');
        string answer = (end < 0 ? rest : rest[..end]).Trim().ToString();
        return answer.Length == 0 ? null : answer;
    }

    /// <summary>The content of the last complete <c>\boxed{...}</c> or <c>\fbox{...}</c>, braces balanced. Null if there is none.</summary>
    public static string? LastBoxed(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        // Only a few candidates are tried, each in one pass: a text of nothing but "\boxed{" stays cheap.
        int before = text.Length;
        for (int tries = 0; tries < 8 && before > 0; tries++)
        {
            int at = Math.Max(LastIndexBefore(text, "\\boxed", before), LastIndexBefore(text, "\\fbox", before));
            if (at < 0)
            {
                return null;
            }
            int open = at + (text[at + 1] == 'b' ? 6 : 5);
            while (open < text.Length && text[open] == ' ')
            {
                open++;
            }
            if (open < text.Length && text[open] == '{' && Closing(text, open) is var close and > 0)
            {
                return text[(open + 1)..close].Trim();
            }
            before = at;
        }
        return null;
    }

    private static int LastIndexBefore(string text, string what, int before) =>
        text.AsSpan(0, before).LastIndexOf(what, StringComparison.Ordinal);

    private static int Closing(string text, int open)
    {
        int depth = 0;
        for (int i = open; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++; // \{ and \} are no braces
                continue;
            }
            depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
            if (depth == 0)
            {
                return i;
            }
        }
        return -1;
    }

    /// <summary>What follows the last "answer is" or "answer:", up to the end of the sentence or line. Null if there is none.</summary>
    public static string? LastStated(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = -1;
        foreach (string lead in (string[])["answer is", "answer:", "answer ="])
        {
            int found = text.LastIndexOf(lead, StringComparison.OrdinalIgnoreCase);
            at = found >= 0 ? Math.Max(at, found + lead.Length) : at;
        }
        if (at < 0)
        {
            return null;
        }
        var rest = text.AsSpan(at).TrimStart(" :*");
        int end = rest.IndexOfAny('\n', '\r');
        rest = end < 0 ? rest : rest[..end];
        int sentence = rest.IndexOf(". ", StringComparison.Ordinal);
        string stated = (sentence < 0 ? rest : rest[..sentence]).Trim().TrimEnd('.').Trim('*').Trim().ToString();
        return stated.Length == 0 ? null : stated;
    }

    /// <summary>The last number with its sign, thousands separators, decimals, a fraction's denominator and a percent sign. Null if there is none.</summary>
    public static string? LastNumber(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int last = text.AsSpan().LastIndexOfAnyInRange('0', '9');
        if (last < 0)
        {
            return null;
        }
        int start = last;
        bool slash = false;
        while (start > 0)
        {
            char c = text[start - 1];
            bool belongs = char.IsAsciiDigit(c)
                || (c is '.' or ',' && (start >= 2 && char.IsAsciiDigit(text[start - 2]) || c == '.'))
                || (c == '/' && !slash && start >= 2 && char.IsAsciiDigit(text[start - 2]));
            if (!belongs)
            {
                break;
            }
            slash |= c == '/';
            start--;
        }
        int end = last + 1;
        bool signed = start > 0 && text[start - 1] is '-' or '−' && (start == 1 || !char.IsLetterOrDigit(text[start - 2]));
        string percent = text.AsSpan(end).StartsWith("%") || text.AsSpan(end).StartsWith("\\%") ? "%" : "";
        return (signed ? "-" : "") + text[start..end] + percent;
    }

    /// <summary>The answer that a text ends with: boxed, after <c>####</c>, stated, or (if it is nothing longer) the text itself.</summary>
    public static string Final(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return LastBoxed(text) ?? LastAfterHashes(text) ?? LastStated(text) ?? text.Trim();
    }
}
