using System.Collections.Frozen;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// The answer of a text that marks none: the only value of its last sentence with a number. Null if there are several ("3 or 4", "7 out of 12"), if a word
/// denies it or makes a relation of it ("not 7", "at least 7"), or if it is part of a word ("AB2C").
/// </summary>
internal static class LastSentence
{
    /// <summary>How much of an unmarked text's end is looked at.</summary>
    private const int SentenceMax = 2_000;

    /// <summary>
    /// The answer of a text that marks none: the only value of its last sentence with a number, or of that sentence's last clause. Null if there are several
    /// ("3 or 4", "7 out of 12"), if a word in front denies it or makes a relation of it ("not 7", "at least 7"), or if it is part of a word ("AB2C").
    /// </summary>
    public static (string Text, Value? Value, string Run)? Read(string text)
    {
        int from = Math.Max(0, text.Length - SentenceMax);
        string end = WithoutCalculations(text[from..]).TrimEnd();
        while (end.Length > 0)
        {
            int start = end.Length - 1;
            while (start > 0 && !(AnswerExtraction.IsSentenceEnd(end, start - 1) && start < end.Length))
            {
                start--;
            }

            string sentence = end[start..].Trim();
            if (sentence.Any(char.IsAsciiDigit) || Statement.Words(sentence).Any(word => word != "one" && NumberWords.IsCardinal(word)))
            {
                if (IsNumber(sentence) && IsNumber(end[..start].TrimEnd().Split('\n')[^1]))
                {
                    return null; // one guess a line
                }

                return OfSentence(sentence, isBullet: end[..start].Contains("\n- ", StringComparison.Ordinal)
                    || end.StartsWith("- ", StringComparison.Ordinal) && start > 0);
            }

            if (Statement.Words(sentence).FirstOrDefault() is { } first && Statement.Retractions.Contains(first))
            {
                return null;
            }

            end = end[..start].TrimEnd();
        }

        return null;
    }

    private static bool IsNumber(string line) => AnswerParser.Read(Statement.Trimmed(line)) is Value.Scalar { Of.Literal: not null };

    /// <summary>GSM8K's notes to a calculator: <c>&lt;&lt;48/2=24&gt;&gt;24</c>.</summary>
    private static string WithoutCalculations(string text)
    {
        while (text.IndexOf("<<", StringComparison.Ordinal) is var at and >= 0 && text.IndexOf(">>", at, StringComparison.Ordinal) is var close and >= 0)
        {
            text = text.Remove(at, close + 2 - at);
        }

        return text;
    }

    private static readonly FrozenSet<string> Relations = new[]
    {
        "least", "most", "than", "over", "under", "above", "below", "exceeds", "exceed", "between", "up", "beyond", "nearly", "almost", "within", "maximum",
        "minimum", "through", "until", "out",
        "from", "times", "plus", "minus", "divided", "by", "to", "mod", "modulo", "another", "every", "per",
    }.ToFrozenSet();

    /// <summary>"It comes to 72."</summary>
    private static readonly FrozenSet<string> Changes =
        new[] { "comes", "amounts", "equal", "adds", "dropped", "drops", "rose", "rises", "fell", "falls", "grew", "grows" }.ToFrozenSet();

    private static (string Text, Value? Value, string Run)? OfSentence(string sentence, bool isBullet)
    {
        sentence = isBullet && sentence.StartsWith("- ", StringComparison.Ordinal) ? sentence[2..] : sentence;
        if (Statement.Hedged(sentence) || Lexer.Tokens(sentence) is not { Count: > 0 } tokens)
        {
            return null;
        }

        var runs = Runs(tokens);
        if (runs.Count == 0)
        {
            return null;
        }

        if (Statement.Predicate(sentence) is { } predicate && AnswerParser.Read(Statement.Trimmed(predicate)) is (Value.Several or Value.Scalar) and var stated)
        {
            return (predicate, stated, predicate); // "The solutions are 1 and 2."
        }

        (int first, int last) = runs[^1];
        bool result = tokens[first].Is('=') && first > 0;
        first += result ? 1 : 0;
        if (first > last || (result && tokens[..first].Exists(static token => token.IsAnyOf("<>≤≥≠≈±∓"))))
        {
            return null;
        }

        int clause = first;
        while (clause > 0 && !tokens[clause - 1].IsAnyOf(",;:—(")
            && !(tokens[clause - 1] is { Kind: TokenKind.Word } join && join.Text is "so" or "then" or "therefore" or "thus" or "hence" or "which"))
        {
            clause--;
        }

        var before = tokens[clause..first];
        bool alone = runs.Count == 1 || result || IsTold(tokens, runs)
            || (runs[^2].Last < clause && ((clause > 0 && tokens[clause - 1].Kind == TokenKind.Word)
                || tokens[first..last].Exists(static token => token.Is('='))
                || before.Exists(static token => token is
                {
                    Kind: TokenKind.Word,
                    Text: not ("and" or "the" or "a" or "an" or "for" or "in" or "at" or "on" or "with")
                })));
        string previous = first > 0 ? tokens[first - 1].Text.ToLowerInvariant() : "";
        bool denied = (runs.Count == 1 ? tokens[..first] : before).Exists(static token => token.Kind == TokenKind.Word
            && Statement.Negations.Contains(token.Text.ToLowerInvariant()));
        // "-\angle A = 40" that cannot be read says nothing of 40.
        denied |= result && before[0].Is('-') && AnswerParser.Read(sentence[before[0].Start..before[^1].Start]) is null;
        bool opens = first > 0 && tokens[first - 1].Is('(');
        bool changes = previous == "to" && first > 1 && Changes.Contains(tokens[first - 2].Text.ToLowerInvariant());
        if (!alone || denied || opens || (Relations.Contains(previous) && !changes))
        {
            return null;
        }

        string run = sentence[tokens[first].Start..tokens[last].End];
        int behind = last + 1;
        // What the run was cut out of must be words: "AB2C" is no number.
        if ((first > 0 && tokens[first - 1].Kind is TokenKind.Word or TokenKind.Letter && !tokens[first].Blank && !IsChineseVerb(tokens[first - 1]))
            || (behind < tokens.Count && tokens[behind].IsWord("or")))
        {
            return null;
        }

        string about = previous is "about" or "approximately" or "around" or "roughly" ? previous + " " : "";
        if (Statement.Read(about + sentence[tokens[first].Start..]) is { } read)
        {
            return (read.Text, read.Value, read.Value is Value.Written ? run : read.Text);
        }

        // What is no number by itself may be a copy of a reference that is none either.
        return AnswerParser.Read(run) is null or Value.Written ? (run, null, run) : null;
    }

    private static readonly FrozenSet<string> Tellers =
        new[] { "is", "are", "was", "were", "equals", "makes", "make", "gives", "leaves", "totals", "be", "get", "gets", "has", "have", "had" }.ToFrozenSet();

    /// <summary>"After selling 3 of 12 eggs she has 9 left": a verb states the last value, and no other one.</summary>
    private static bool IsTold(List<Token> tokens, List<(int First, int Last)> runs)
    {
        bool Told((int First, int Last) run) => run.First > 0 && tokens[run.First - 1].Kind == TokenKind.Word
            && Tellers.Contains(tokens[run.First - 1].Text.ToLowerInvariant());
        return Told(runs[^1]) && !runs.SkipLast(1).Any(Told);
    }

    /// <summary>Stretches of mathematics between plain words.</summary>
    private static List<(int First, int Last)> Runs(List<Token> tokens)
    {
        var runs = new List<(int First, int Last)>();
        int start = -1, lastOfRun = -1;
        bool number = false;
        for (int i = 0; i <= tokens.Count; i++)
        {
            bool mathematics = i < tokens.Count && IsMathematics(tokens, i, start >= 0);
            if (mathematics)
            {
                start = start < 0 ? i : start;
                number |= tokens[i].Kind is TokenKind.Number or TokenKind.Opaque
                    || (tokens[i].Kind == TokenKind.Word && NumberWords.IsCardinal(tokens[i].Text));
                lastOfRun = tokens[i].IsAnyOf(",;:.-") ? lastOfRun : i;
            }
            else if (start >= 0)
            {
                if (number && lastOfRun >= start)
                {
                    runs.Add((start, lastOfRun));
                }

                (start, lastOfRun, number) = (-1, -1, false);
            }
        }

        return runs;
    }

    /// <summary>Chinese writes no blank: 答案是5.</summary>
    private static bool IsChineseVerb(Token token) => token.Kind == TokenKind.Word && token.Text[^1] is '是' or '为' or '有' or '得';

    private static bool IsMathematics(List<Token> tokens, int at, bool inRun)
    {
        Token token = tokens[at], next = at + 1 < tokens.Count ? tokens[at + 1] : default;
        switch (token.Kind)
        {
            case TokenKind.Number or TokenKind.Opaque:
                // x2, H2O, cm^2
                return inRun || token.Blank || at == 0 || !(tokens[at - 1].Kind is TokenKind.Word or TokenKind.Letter || tokens[at - 1].IsAnyOf("^_{-"))
                    || IsChineseVerb(tokens[at - 1])
                    || (tokens[at - 1].Is('-') && at > 1 && tokens[at - 1].Blank);
            case TokenKind.Command:
                return true;
            case TokenKind.Letter:
                return !token.InText && !(token.Text is "a" or "A" or "I" && token.Blank && (next.Blank || next.Kind == TokenKind.End));
            case TokenKind.Word:
                if (NumberWords.IsCardinal(token.Text))
                {
                    return !token.IsWord("one");
                }

                // cm^2 is a word
                return !token.InText && ExpressionParser.IsMathWord(token.Text)
                    || (inRun && token.Text is "hundred" or "thousand" or "and" && next.Kind == TokenKind.Word && NumberWords.IsNumber(next.Text));
            case TokenKind.Symbol:
                return Symbol(tokens, at, inRun);
            default:
                return false;
        }
    }

    private static bool Symbol(List<Token> tokens, int at, bool inRun)
    {
        Token token = tokens[at], next = at + 1 < tokens.Count ? tokens[at + 1] : default;
        bool beforeNumber = next.Kind is TokenKind.Number or TokenKind.Command or TokenKind.Opaque || next.IsAnyOf("-+$€£¥₹(√∞");
        if (token.IsAnyOf(",;:"))
        {
            return inRun && (next.Kind is TokenKind.Number or TokenKind.Opaque || next.IsAnyOf("-$€£¥₹")) && (!token.Is(':') || !next.Blank);
        }

        if (token.IsAnyOf("?\"'.!"))
        {
            return token.Is('!') && inRun && !token.Blank && at + 1 < tokens.Count;
        }

        if (at > 0 && tokens[at - 1].Kind == TokenKind.Word && !inRun)
        {
            // well-known, cm^2, km/h
            if (token.IsAnyOf("^/_'*×°") || (token.Is('-') && !token.Blank))
            {
                return false;
            }

            if (token.Is('-') && !beforeNumber)
            {
                return false;
            }
        }

        return !token.IsAnyOf("()—#") || (inRun && token.IsAnyOf("()") && (beforeNumber || token.Is(')')))
            || (token.Is('(') && next.Kind is TokenKind.Number or TokenKind.Command or TokenKind.Letter);
    }
}
