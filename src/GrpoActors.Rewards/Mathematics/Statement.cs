using System.Collections.Frozen;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Reads answers that stand in sentences: "the answer is 72 since 48 plus 24 make it", "The area is 30 cm^2." A value counts only if what stands round it
/// leaves no doubt: no alternative, no negation, no hedge, no condition, no second value.
/// </summary>
internal static class Statement
{
    private const int MarksMax = 16;

    /// <param name="Sentence">Behind the mark, to the sentence's end.</param>
    /// <param name="Rest">Behind the mark, to the text's end.</param>
    /// <param name="Before">The clause in front of the mark.</param>
    public readonly record struct Stated(string Sentence, string Rest, string Before, int Start, int End);

    private static readonly string[] Copulas = ["is", "are", "was", "were", "be", "equals"];

    /// <summary>The last "answer is", "answer:", "answer to ... is" with what it states.</summary>
    public static Stated? Last(string text)
    {
        int before = text.Length;
        for (int tries = 0; tries < MarksMax; tries++)
        {
            int at = text.AsSpan(0, before).LastIndexOf("answer", StringComparison.OrdinalIgnoreCase);
            if (at < 0)
            {
                return null;
            }

            if (Behind(text, at + "answer".Length) is { } start)
            {
                int end = SentenceEnd(text, start);
                string sentence = Trimmed(text[start..end]);
                if (sentence.Length > 0)
                {
                    return new(sentence, Trimmed(text[start..Math.Min(text.Length, start + Lexer.LengthMax)]), Clause(text, at), at, end);
                }
            }

            before = at;
        }

        return null;
    }

    /// <summary>Where the statement begins, if it is one: "answer is", "answers are", "answer to the question is", "answer:", "answer =".</summary>
    private static int? Behind(string text, int at)
    {
        at += at < text.Length && text[at] is 's' or 'S' ? 1 : 0;
        for (int words = 0; words <= 10; words++)
        {
            while (at < text.Length && text[at] is ' ' or '*' or '_' or '`' or '"' or ',' or '\t' or ')')
            {
                at++;
            }

            if (at >= text.Length)
            {
                return null;
            }

            if (text[at] is ':' or '=')
            {
                return SkipBlanks(text, at + 1);
            }

            int start = at;
            while (at < text.Length && (char.IsAsciiLetter(text[at]) || text[at] == '\''))
            {
                at++;
            }

            if (at == start)
            {
                return null;
            }

            ReadOnlySpan<char> word = text.AsSpan(start, at - start);
            foreach (string copula in Copulas)
            {
                if (word.Equals(copula, StringComparison.OrdinalIgnoreCase))
                {
                    return SkipAdverbs(text, SkipBlanks(text, at));
                }
            }

            if (Hedges.Contains(word.ToString()) || Negations.Contains(word.ToString()) || word is "choices" or "options" or "key" or "sheet" or "me" or "this")
            {
                return null;
            }
        }

        return null;
    }

    private static readonly FrozenSet<string> Adverbs =
        new[] { "therefore", "thus", "hence", "then", "simply", "indeed", "clearly", "now", "finally", "obviously", "equal", "to", "given", "by", "found",
            "be" }.ToFrozenSet();

    /// <summary>"is therefore", "is equal to", "is found to be"</summary>
    private static int SkipAdverbs(string text, int at)
    {
        while (WordAt(text, at) is { Length: > 0 } word && Adverbs.Contains(word))
        {
            at = SkipBlanks(text, at + word.Length);
            at += at < text.Length && text[at] == ',' ? 1 : 0;
        }

        return SkipBlanks(text, at);
    }

    private static int SkipBlanks(string text, int at)
    {
        while (at < text.Length && (char.IsWhiteSpace(text[at]) || text[at] is ':' or '*' or '_' or '`'))
        {
            at++;
        }

        return at;
    }

    private static int SentenceEnd(string text, int start)
    {
        // A displayed formula stands on lines of its own.
        foreach ((string opening, string closing) in (ReadOnlySpan<(string, string)>)[("\\[", "\\]"), ("$$", "$$")])
        {
            if (string.CompareOrdinal(text, start, opening, 0, 2) == 0 && text.IndexOf(closing, start + 2, StringComparison.Ordinal) is var close and >= 0)
            {
                return close + 2;
            }
        }

        int depth = 0;
        for (int at = start; at < text.Length; at++)
        {
            if (depth == 0 && text[at] == ')')
            {
                return at; // "(Answer: 5)"
            }

            depth += text[at] is '(' or '{' or '[' ? 1 : text[at] is ')' or '}' or ']' ? -1 : 0;
            if ((depth <= 0 || text[at] == '\n') && AnswerExtraction.IsSentenceEnd(text, at))
            {
                // The mark stays: a question states nothing, and 5! is 120.
                return text[at] is '?' or '!' ? at + 1 : at;
            }
        }

        return text.Length;
    }

    private static readonly string[] Arrows = ["=>", "->", "→", "⇒", "∴", "\\Rightarrow", "\\implies", "\\therefore"];

    /// <summary>Without emphasis and quotation marks round the whole, and the sentence's full stop.</summary>
    public static string Trimmed(string text)
    {
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        while (rest.Length > 1)
        {
            if (rest[^1] == '.' && !rest.EndsWith(".."))
            {
                rest = rest[..^1].TrimEnd();
            }
            else if (rest[^1] is '*' or '`' || (rest[^1] == '"' && rest[..^1].Contains('"')))
            {
                rest = rest[..^1].TrimEnd();
            }
            else if (rest[^1] is '_' or '\'' && rest[0] == rest[^1])
            {
                rest = rest[1..^1].Trim();
            }
            else
            {
                break;
            }
        }

        rest = rest.TrimStart("*`\" ");
        foreach (string arrow in Arrows)
        {
            rest = rest.StartsWith(arrow) ? rest[arrow.Length..].TrimStart() : rest;
        }

        return rest.ToString();
    }

    /// <summary>The words between the last sentence or clause end and <paramref name="at"/>.</summary>
    private static string Clause(string text, int at)
    {
        int start = at;
        while (start > 0 && at - start < 200 && !AnswerExtraction.IsSentenceEnd(text, start - 1) && text[start - 1] is not (':' or ';'))
        {
            start--;
        }

        return text[start..at];
    }

    /// <summary>Words that leave open what is meant, wherever they stand in the sentence.</summary>
    private static readonly FrozenSet<string> Hedges = new[]
    {
        "or", "either", "neither", "maybe", "perhaps", "possibly", "probably", "might", "may", "could", "unless", "otherwise", "else", "alternatively",
        "wrong", "incorrect", "unsure", "guess",
        "whether", "unlikely", "doubt", "nor", "instead",
    }.ToFrozenSet();

    private static readonly FrozenSet<string> Suppositions =
        new[] { "if", "suppose", "supposing", "assume", "assuming", "would", "say", "says", "false" }.ToFrozenSet();

    /// <summary>In front of "answer": not the one that counts.</summary>
    private static readonly FrozenSet<string> Determiners = new[] { "possible", "one", "first", "second", "another", "some", "previous",
        "other" }.ToFrozenSet();

    public static readonly FrozenSet<string> Negations =
        new[] { "not", "isn't", "aren't", "wasn't", "never", "no", "cannot", "can't", "doesn't", "don't", "without", "except" }.ToFrozenSet();

    /// <summary>Words that a sentence goes on with behind its value.</summary>
    private static readonly FrozenSet<string> Continuations =
        new[] { "since", "because", "as", "so", "which", "where", "given", "therefore", "thus", "hence", "making", "giving", "leaving" }.ToFrozenSet();

    /// <summary>Words that a sentence goes on with behind a value with its unit: "45 miles from home".</summary>
    private static readonly FrozenSet<string> Prepositions = new[] { "at", "for", "from", "before", "after", "during", "by", "when", "if" }.ToFrozenSet();

    private static readonly FrozenSet<string> Extensions = new[] { "above", "below", "more", "less", "greater", "fewer", "up", "over", "under",
        "beyond" }.ToFrozenSet();

    public static readonly FrozenSet<string> Retractions =
        new[] { "no", "wait", "actually", "or", "maybe", "perhaps", "alternatively", "correction", "hmm", "sorry", "oops", "but", "not",
            "scratch" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public static bool Hedged(string text) => Words(text).Any(word => Hedges.Contains(word)) || text.Contains('?');

    public static IEnumerable<string> Words(string text)
    {
        int at = 0;
        while (at < text.Length)
        {
            int start = at;
            while (at < text.Length && (char.IsLetter(text[at]) || (text[at] == '\'' && at > start)))
            {
                at++;
            }

            if (at > start)
            {
                // "May" is a month.
                yield return text[start] == 'M' && text.AsSpan(start, at - start) is "May" ? "" : text[start..at].ToLowerInvariant();
            }

            at++;
        }
    }

    /// <summary>A stated answer as one that can be compared. Null: it cannot be read, or leaves a doubt.</summary>
    public static (string Text, Value Value)? Read(Stated stated, string text) => LeavesDoubt(stated, text) ? null : Read(stated.Sentence);

    /// <summary>"No, wait, it is 73." behind it takes back what was said.</summary>
    private static bool IsRetracted(string text, int end)
    {
        foreach (string word in Words(text[Math.Min(end, text.Length)..Math.Min(text.Length, end + 40)]))
        {
            return Retractions.Contains(word);
        }

        return false;
    }

    /// <summary>The value at the head of a sentence's predicate.</summary>
    public static (string Text, Value Value)? Read(string sentence)
    {
        string trimmed = Trimmed(sentence);
        if (trimmed.Length is 0 or > Lexer.LengthMax)
        {
            return null;
        }

        if (AnswerParser.Read(trimmed) is { } whole)
        {
            return (trimmed, whole);
        }

        if (Predicate(trimmed) is { } predicate)
        {
            return Read(predicate);
        }

        if (Hedged(trimmed))
        {
            return null;
        }

        foreach (int cut in Cuts(trimmed))
        {
            string head = trimmed[..cut].Trim();
            if (AnswerParser.Read(head) is { } value)
            {
                var tail = Words(trimmed[cut..]).ToList();
                if (trimmed[cut] == ' ' && Prepositions.Contains(tail[0]) && (value is not Value.Scalar { Measure.IsNone: false } || HasNumber(trimmed[cut..])))
                {
                    return null;
                }

                if (tail is ["and", var more, ..] && Extensions.Contains(more) || tail is ["mod" or "modulo", ..])
                {
                    return null; // 5 and above, 5 (mod 7)
                }

                // "72, not 73" but not "72, not really"
                bool denied = tail.Count > 0 && tail.Exists(static word => Negations.Contains(word))
                    && !char.IsAsciiDigit(trimmed[cut..].Trim(' ', ',', '-', '$').Replace("not ", "").FirstOrDefault());
                return denied ? null : (head, value);
            }
        }

        return null;
    }

    /// <summary>Whether the sentence's surroundings take back what it states.</summary>
    public static bool LeavesDoubt(Stated stated, string text) =>
        Words(stated.Before).Any(word => Hedges.Contains(word) || Negations.Contains(word) || Suppositions.Contains(word))
            || Words(stated.Before).TakeLast(3).Any(Determiners.Contains) || IsRetracted(text, stated.End);

    /// <summary>Texts that a verbal answer may consist of: "Tuesday" of "Tuesday, since ...".</summary>
    public static IEnumerable<string> Heads(string sentence)
    {
        string trimmed = Trimmed(sentence);
        return trimmed.Length > Lexer.LengthMax || Hedged(trimmed) ? []
            : Cuts(trimmed).Take(3).Select(cut => trimmed[..cut]).Where(static head => AnswerParser.Read(head) is null);
    }

    /// <summary>Of "the area is 30", 30.</summary>
    public static Value? ReadPredicate(string text) => text.Length <= Lexer.LengthMax && Predicate(text) is { } predicate ? AnswerParser.Read(predicate) : null;

    /// <summary>The letter of "(B) 5 apples", "B) 5", "Option B": both ways to write it; none if another letter follows.</summary>
    public static IEnumerable<string> Options(string sentence)
    {
        string text = Trimmed(sentence);
        foreach (string word in (ReadOnlySpan<string>)["Option ", "option ", "Choice ", "choice ", "("])
        {
            text = text.StartsWith(word, StringComparison.Ordinal) ? text[word.Length..] : text;
        }

        bool marked = text.Length > 0 && char.IsAsciiLetterUpper(text[0])
            && (text.Length == 1 || (text[1] is ')' or ':' && !Hedged(text) && !HasOption(text[2..])));
        return marked ? [text[..1], $"({text[0]})"] : [];

        static bool HasOption(string rest)
        {
            for (int i = 1; i < rest.Length; i++)
            {
                if (rest[i] is ')' or ':' && char.IsAsciiLetterUpper(rest[i - 1]) && (i == 1 || !char.IsLetter(rest[i - 2])))
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>"Tuesday" of "The day is Tuesday."</summary>
    public static IEnumerable<string> PredicateOf(string text) => text.Length <= Lexer.LengthMax && !Hedged(text)
        && Predicate(Trimmed(text)) is { } predicate ? [predicate] : [];

    /// <summary>"The area of the square is 30": what follows the verb, if only words stand in front of it and none denies or hedges.</summary>
    public static string? Predicate(string sentence)
    {
        if (Lexer.Tokens(sentence) is not { } tokens)
        {
            return null;
        }

        for (int i = 0; i < tokens.Count && i < 24; i++)
        {
            Token token = tokens[i];
            string word = token.Text.ToLowerInvariant();
            if (i > 0 && token.Kind == TokenKind.Word && word is "is" or "are" or "was" or "were" or "equals" or "be")
            {
                string rest = sentence[token.End..].Trim();
                return token.InText ? rest.StartsWith('}') ? rest[1..] : rest.EndsWith('}') ? rest[..^1] : rest : rest;
            }

            bool plain = token.Kind is TokenKind.Word or TokenKind.Letter || token.IsAnyOf("'_-,");
            if (!plain || Hedges.Contains(word) || Negations.Contains(word) || NumberWords.IsCardinal(word) || word is "if" or "when")
            {
                return null;
            }
        }

        return null;
    }

    /// <summary>Places where the sentence may go on behind its value: ", which ...", " since ...", " (...", "; ...", " is the ...".</summary>
    private static IEnumerable<int> Cuts(string text)
    {
        int depth = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if (depth == 0 && text[i] == '(' && text[i - 1] == ' ')
            {
                yield return i;
            }

            depth += text[i] is '(' or '{' or '[' ? 1 : text[i] is ')' or '}' or ']' ? -1 : 0;
            if (depth != 0)
            {
                continue;
            }

            if (text[i] is ';' or '—' || string.CompareOrdinal(text, i, ", i.e. ", 0, 7) == 0
                || (text[i] == ',' && i + 1 < text.Length && text[i + 1] == ' ' && WordAt(text, i + 2) is { Length: > 1 } next && !IsItem(next))
                || (text[i] == '-' && text[i - 1] == ' ' && i + 1 < text.Length && text[i + 1] == ' ' && WordAt(text, i + 2) is { Length: > 1 } dashed
                    && !IsItem(dashed)))
            {
                yield return i;
            }
            else if (text[i] == ' ' && WordAt(text, i + 1) is { Length: > 1 } word
                && (Continuations.Contains(word.ToLowerInvariant()) || Prepositions.Contains(word) || (word == "and" && !HasNumber(text[i..]))
                    || (word == "is" && string.CompareOrdinal(text, i, " is the ", 0, 8) == 0)
                    || (word is "are" or "were" && WordAt(text, i + 2 + word.Length) is "left" or "remaining" or "needed" or "required" or "sold" or "there")))
            {
                yield return i;
            }
        }
    }

    private static bool HasNumber(string text) => text.Any(char.IsAsciiDigit) || Words(text).Any(NumberWords.IsNumber);

    /// <summary>Goes on with a list rather than with a clause.</summary>
    private static bool IsItem(string word) => word is "and" or "or" or "nor" || NumberWords.IsNumber(word) || ExpressionParser.IsMathWord(word);

    private static string WordAt(string text, int at)
    {
        int end = at;
        while (end < text.Length && (char.IsLetter(text[end]) || text[end] == '\''))
        {
            end++;
        }

        return at < text.Length ? text[at..end] : "";
    }
}
