using System.Collections.Immutable;
using System.Text;
using System.Text.RegularExpressions;

namespace GrpoActors.Rewards.Rules;

/// <summary>The tags that a completion is asked to write, in order: <c>&lt;think&gt;…&lt;/think&gt;&lt;answer&gt;…&lt;/answer&gt;</c>.</summary>
/// <param name="Names">Without brackets; the first holds the reasoning, the last the answer.</param>
/// <param name="Opened">The prompt's template has opened the first tag already, so that the completion begins inside it.</param>
internal sealed record TagLayout(ImmutableArray<string> Names, bool Opened)
{
    private static readonly ImmutableArray<string> Usual = ["think", "answer"];

    /// <summary>Reads <c>tags</c> and <c>opened</c>.</summary>
    public static TagLayout From(RewardSettings settings, int min = 1)
    {
        ImmutableArray<string> names = settings.Has("tags") ? settings.Texts("tags") : Usual;
        if (settings.Has("tags") && names.Any(name => name.Length == 0 || name.AsSpan().IndexOfAny("<>/ \n") >= 0))
        {
            settings.Wrong("tags", "holds what is no tag's name.", "Write names without brackets: [\"think\", \"answer\"].");
        }
        else if (names.Length < min || names.Distinct(StringComparer.Ordinal).Count() < names.Length)
        {
            settings.Wrong("tags", names.Length < min ? $"names {names.Length} tags, and at least {min} are needed." : "names a tag twice.", "Write [\"think\", \"answer\"].");
        }

        return new TagLayout(names, settings.Flag("opened", false));
    }

    /// <summary>The completion with the tag that its prompt opened.</summary>
    /// <param name="lines">Tags stand on lines of their own.</param>
    public string Text(string completion, bool lines) => !Opened ? completion : $"<{Names[0]}>{(lines && !completion.StartsWith('\n') ? "\n" : "")}{completion}";

    /// <summary>What stands between the first opening of a tag and the closing behind it; null where one of them is missing.</summary>
    public string? Inside(string completion, string name)
    {
        string text = Text(completion, lines: false), opening = $"<{name}>";
        int start = text.IndexOf(opening, StringComparison.Ordinal);
        int end = start < 0 ? -1 : text.IndexOf($"</{name}>", start + opening.Length, StringComparison.Ordinal);
        return end < 0 ? null : text[(start + opening.Length)..end];
    }

    /// <summary>All tags in order with nothing but white space around them. Matches in linear time.</summary>
    public Regex Whole(bool lines)
    {
        var pattern = new StringBuilder(@"\A");
        for (int i = 0; i < Names.Length; i++)
        {
            string name = Regex.Escape(Names[i]), inside = lines ? @"\n.*?\n" : ".*?", between = i == 0 ? "" : lines ? @"\n" : @"\s*";
            pattern.Append($"{between}<{name}>{inside}</{name}>");
        }

        return new Regex(pattern.Append(@"\s*\z").ToString(), RegexOptions.Singleline | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, RewardSettings.BacktrackingMax);
    }

    /// <summary>Every tag opens and closes once, in order, and nothing but white space stands outside.</summary>
    public bool IsComplete(string completion)
    {
        string text = Text(completion, lines: false);
        int at = 0;
        foreach (string name in Names)
        {
            string opening = $"<{name}>", closing = $"</{name}>";
            int start = text.IndexOf(opening, StringComparison.Ordinal), end = text.IndexOf(closing, StringComparison.Ordinal);
            if (start < at || end < start || Count(text, opening) != 1 || Count(text, closing) != 1 || !text.AsSpan(at..start).IsWhiteSpace())
            {
                return false;
            }

            at = end + closing.Length;
        }

        return text.AsSpan(at).IsWhiteSpace();
    }

    public static int Count(string text, string part)
    {
        int count = 0;
        for (int at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal))
        {
            count++;
        }

        return count;
    }
}
