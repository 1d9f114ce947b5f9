namespace GrpoActors.Rewards.Mathematics;

/// <summary>Finds the last box of a text with the boxes that it stands in a row with, and what touches them: a minus sign, a percent sign, "or 4".</summary>
internal static class Boxes
{
    private readonly record struct Box(int Start, int From, int To, int End);

    /// <summary>Further boxes in a row say nothing new.</summary>
    private const int BoxesMax = 16;

    private const int GapMax = 60;

    private const int BareMax = 200;

    public static AnswerExtraction.Found? Last(string text)
    {
        if (!text.Contains("\\boxed", StringComparison.Ordinal) && !text.Contains("\\fbox", StringComparison.Ordinal)
            && !text.Contains("\\framebox", StringComparison.Ordinal))
        {
            return null;
        }

        Queue<Box> boxes = All(text);
        if (boxes.Count == 0)
        {
            return null;
        }

        var row = boxes.ToList();
        int first = row.Count - 1;
        string joint = ",";
        while (first > 0 && Joint(text[row[first - 1].End..row[first].Start]) is { } connector)
        {
            joint = connector == "or" ? "or" : joint;
            first--;
        }

        Box last = row[^1];
        var contents = row[first..].Select(box => text[box.From..box.To].Trim()).ToList();
        var different = contents.DistinctBy(LetterText.Of).ToList();
        string content = different.Count == 1 ? different[0] : string.Join(joint == "or" ? " \\text{ or } " : ", ", different);
        return new(different.Count == 1 ? Touched(text, content, row[first].Start, last.End) : content, row[first].Start, last.End);
    }

    /// <summary>The last complete outermost boxes, in one pass.</summary>
    private static Queue<Box> All(string text)
    {
        var boxes = new Queue<Box>();
        var open = new Stack<(int Brace, int Box)>();
        int inside = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '{')
            {
                open.Push((i, -1));
            }
            else if (c == '}' && open.Count > 0)
            {
                (int brace, int box) = open.Pop();
                if (box >= 0 && --inside >= 0)
                {
                    Add(boxes, new(box, brace + 1, i, i + 1));
                }
            }
            else if (c == '\\')
            {
                int name = BoxLength(text, i);
                if (name == 0)
                {
                    i++; // \{ and \} are no braces
                    continue;
                }

                int after = i + name;
                while (after < text.Length && text[after] == ' ')
                {
                    after++;
                }

                if (after < text.Length && text[after] == '{')
                {
                    open.Push((after, i));
                    inside++;
                    i = after;
                }
                else if (BareEnd(text, after) is var end && end > after)
                {
                    Add(boxes, new(i, after, end, end));
                    i = end - 1;
                }
            }
        }

        return boxes;
    }

    private static void Add(Queue<Box> boxes, Box box)
    {
        // An outer box replaces the ones in it.
        while (boxes.Count > 0 && boxes.Last().Start > box.Start)
        {
            var kept = boxes.Take(boxes.Count - 1).ToList();
            boxes.Clear();
            kept.ForEach(boxes.Enqueue);
        }

        boxes.Enqueue(box);
        if (boxes.Count > BoxesMax)
        {
            boxes.Dequeue();
        }
    }

    private static int BoxLength(string text, int at)
    {
        foreach (string name in (ReadOnlySpan<string>)["\\boxed", "\\fbox", "\\framebox"])
        {
            if (string.CompareOrdinal(text, at, name, 0, name.Length) == 0 && !(at + name.Length < text.Length && char.IsAsciiLetter(text[at + name.Length])))
            {
                return name.Length;
            }
        }

        return 0;
    }

    /// <summary><c>\boxed 24</c>, <c>\boxed\frac12</c>: up to the next blank, dollar sign or end of the sentence.</summary>
    private static int BareEnd(string text, int from)
    {
        int end = from;
        while (end < text.Length && end - from < BareMax && !char.IsWhiteSpace(text[end]) && text[end] is not ('$' or '}'))
        {
            if (text[end] == '{')
            {
                int close = text.IndexOf('}', end);
                if (close < 0 || close - from > BareMax)
                {
                    break;
                }

                end = close;
            }

            end++;
        }

        while (end > from && text[end - 1] is '.' or ',' or ';' or ':' or '!')
        {
            end--;
        }

        return end;
    }

    /// <summary>"or" or "," if nothing but such stands between two boxes; else null.</summary>
    private static string? Joint(string gap)
    {
        if (gap.Length > GapMax || Lexer.Tokens(gap) is not { } tokens)
        {
            return null;
        }

        bool only = tokens.TrueForAll(static token => token.IsAnyOf(",;&.$:") || token.IsWord("and") || token.IsWord("or") || token.IsWord("maybe")
            || token.IsWord("perhaps")
            || token.IsWord("possibly") || token.IsWord("alternatively") || token.IsWord("either") || token.IsCommand("vee") || token.Is('∨') || token.Is('∧'));
        bool choice = tokens.Exists(static token => token is { Kind: TokenKind.Word } && !token.IsWord("and"));
        return !only ? null : choice ? "or" : ",";
    }

    /// <summary>With what belongs to a box though it stands beside it.</summary>
    private static string Touched(string text, string content, int start, int end)
    {
        string behind = text[end..Math.Min(text.Length, end + GapMax)], front = InFront(text.AsSpan(Math.Max(0, start - GapMax), Math.Min(start, GapMax)));
        int line = behind.AsSpan().IndexOfAny('\n', '\r');
        bool sum = front == "-" && content.AsSpan().IndexOfAny('+', '-', '\\') >= 0 && !content.StartsWith("\\frac", StringComparison.Ordinal)
            && !content.StartsWith("\\text", StringComparison.Ordinal);
        return content.Length == 0 ? content : front + (sum ? $"({content})" : content) + Behind(line < 0 ? behind : behind[..line]);
    }

    private static readonly string[] RelationCommands = ["\\neq", "\\ne", "\\leq", "\\le", "\\geq", "\\ge", "\\pm", "\\approx"];

    /// <summary>A sign, a relation, "not"; three dots, which make it unreadable, where the box is part of a root, a fraction or a number.</summary>
    private static string InFront(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> rest = text.TrimEnd(" ${");
        if (rest.IsEmpty || IsTagEnd(rest))
        {
            return "";
        }

        bool braced = text.EndsWith("{"), fraction = rest[^1] == '}' && rest.LastIndexOf('{') is var open and > 0 && rest[..open].EndsWith("frac");
        if (char.IsAsciiDigit(text[^1]) || (braced && (fraction || rest.EndsWith("\\sqrt") || rest.EndsWith("frac") || rest[^1] is '^' or '_')))
        {
            return "…";
        }

        if (rest[^1] == '-')
        {
            // Not the end of a difference, and not a dash.
            return rest.Length > 1 && (char.IsLetterOrDigit(rest[^2]) || rest[^2] is '-' or ')' or '}') ? "" : "-";
        }

        foreach (string command in RelationCommands)
        {
            if (rest.EndsWith(command))
            {
                return command + " ";
            }
        }

        return rest[^1] is '<' or '>' or '≠' or '≤' or '≥' or '≈' or '~' or '±' ? rest[^1].ToString()
            : rest.EndsWith("not", StringComparison.OrdinalIgnoreCase) || rest.EndsWith("n't", StringComparison.OrdinalIgnoreCase) ? "not " : "";
    }

    /// <summary>A percent sign, a multiplier, an alternative; all of the line where it makes a larger formula of the box.</summary>
    private static string Behind(string line)
    {
        bool glued = line.Length > 0 && (line[0] is '^' or '!' or '_' || char.IsAsciiDigit(line[0])
            || (char.IsAsciiLetter(line[0]) && (line.Length == 1 || !char.IsAsciiLetter(line[1]))));
        var tokens = Lexer.Tokens(line)?.Where(static token => !token.IsAnyOf("$}")).ToList() ?? [];
        if (tokens.Count == 0)
        {
            return "";
        }

        bool scaled = tokens.Count > 1 && ((tokens[0].IsAnyOf("/:") && tokens[1].Kind == TokenKind.Number && tokens[1].Blank == (line[0] == ' '))
            || (tokens[0].IsAnyOf("×*") && tokens[1].Text == "10"));
        bool alternative = tokens.Count > 1 && (tokens[0].IsWord("or") || tokens[0].Is('±'));
        return glued || scaled || alternative ? " " + line
            : tokens[0].Is('%') ? "\\%"
            : tokens[0].Kind == TokenKind.Word && NumberWords.Multiplier(tokens[0].Text) is not null ? " " + tokens[0].Text
            : "";
    }

    /// <summary>The <c>&gt;</c> of <c>&lt;answer&gt;</c> is no relation.</summary>
    private static bool IsTagEnd(ReadOnlySpan<char> text)
    {
        int open = text[^1] == '>' ? text.LastIndexOf('<') : -1;
        return open >= 0 && text[(open + 1)..^1].IndexOfAny(' ', '>') < 0;
    }
}
