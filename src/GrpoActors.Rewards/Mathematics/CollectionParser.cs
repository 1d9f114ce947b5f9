namespace GrpoActors.Rewards.Mathematics;

/// <summary>Reads tuples, intervals and their unions, sets, matrices; anything else is left to <see cref="MeasureParser"/>.</summary>
/// <param name="items">Reads a list, up to the bracket that closes it.</param>
internal sealed class CollectionParser(TokenCursor cursor, ExpressionParser expressions, MeasureParser measures, Func<Value?> items)
{
    private Token Current => cursor.Current;

    public Value? Read()
    {
        if (Part() is not { } value)
        {
            return null;
        }

        for (int parts = 1; parts < AnswerParser.ItemsMax; parts++)
        {
            bool union = Current.Is('∪') || (value is Value.Bracketed or Value.Region && Current is { Kind: TokenKind.Letter, Text: "U" }),
                intersection = Current.Is('∩');
            bool without = Current.Is('∖') || (value is Value.Region && Current.IsAnyOf("-\\"));
            if (!union && !intersection && !without)
            {
                return value;
            }

            cursor.At++;
            if (Part() is not { } next)
            {
                return null;
            }

            if (without)
            {
                if (RealSetReader.Of(value) is not { } all || next is not Value.Set points || Without(all, points) is not { } rest)
                {
                    return null;
                }

                value = new Value.Region(rest, $"{value} without {next}");
                continue;
            }

            if (RealSetReader.Of(value) is not { } a || RealSetReader.Of(next) is not { } b)
            {
                return null;
            }

            value = new Value.Region(union ? a.Union(b) : a.Intersection(b), $"{value} {(union ? "union" : "intersection")} {next}");
        }

        return null;
    }

    private static RealSet? Without(RealSet all, Value.Set points)
    {
        RealSet? rest = all;
        foreach (Value point in points.Items)
        {
            rest = rest is not null && point is Value.Scalar { Of: var at } && new Formulas().Value(at) is { IsReal: true } value ? rest.Without(value) : null;
        }

        return rest;
    }

    private Value? Part()
    {
        Token token = Current;
        if (token.Is('ℝ'))
        {
            cursor.At++;
            return new Value.Region(RealSet.All, "all real numbers");
        }

        if (token.IsWord("all") && cursor.Ahead(1) is { Kind: TokenKind.Word } real && real.Text.StartsWith("real"))
        {
            cursor.At += cursor.Ahead(2).IsWord("numbers") ? 3 : 2;
            return new Value.Region(RealSet.All, "all real numbers");
        }

        if (token.Is('∅'))
        {
            cursor.At++;
            return new Value.Region(RealSet.Empty, "no numbers");
        }

        if (token.IsAnyOf("([⦃⟨{"))
        {
            int close = cursor.Closing(cursor.At);
            if (close < 0)
            {
                return null;
            }

            if (token.Is('⦃'))
            {
                return Set(close);
            }

            int separator = cursor.Outside(cursor.At + 1, close, ",;");
            bool collection = separator >= 0 && !(token.Is('{') && close == cursor.At + 2);
            if (collection)
            {
                return token.Is('{') ? Set(close) : Bracketed(close);
            }

            if (cursor.Ahead(1) is { Kind: TokenKind.Command } begin && begin.Text.StartsWith("begin ", StringComparison.Ordinal) && token.IsAnyOf("(["))
            {
                cursor.At++;
                return Matrix() is { } cells && cursor.At == close && cursor.Take(token.Is('(') ? ')' : ']') ? cells : null;
            }

            if (token.Is('['))
            {
                return null;
            }
        }

        return token.Kind == TokenKind.Command && token.Text.StartsWith("begin ") ? Matrix() : measures.Read();
    }

    /// <summary>A comma in brackets parts items, unless others there show by a blank or a semicolon what does.</summary>
    private IReadOnlyList<Value>? Inside(int close)
    {
        bool grouped = cursor.CommasGroup;
        cursor.At++;
        cursor.CommasGroup = false;
        for (int i = cursor.Outside(cursor.At, close, ",;"); i >= 0; i = cursor.Outside(i + 1, close, ",;"))
        {
            cursor.CommasGroup |= cursor.Tokens[i].Is(';') || cursor.Tokens[i + 1].Blank;
        }

        Value? inside = items();
        cursor.CommasGroup = grouped;
        if (inside is null || cursor.Current is not { Kind: TokenKind.Symbol } || !cursor.Current.IsAnyOf(")]}⦄⟩"))
        {
            return null;
        }

        cursor.At++;
        return inside is Value.Several several ? several.Items : [inside];
    }

    private Value? Bracketed(int close)
    {
        char open = Current.Text[0];
        if (Inside(close) is not { Count: > 1 } items)
        {
            return null;
        }

        char closing = cursor.Ahead(-1).Text[0];
        bool fits = open == '⟨' ? closing == '⟩' : closing is ')' or ']';
        bool rows = open == '[' && closing == ']' && items.All(item => item is Value.Bracketed { Open: '[', Close: ']' });
        return !fits ? null : rows ? MatrixOf(items) ?? (Value)new Value.Bracketed(open, closing, items) : new Value.Bracketed(open, closing, items);
    }

    /// <summary><c>[[1, 2], [3, 4]]</c></summary>
    private static Value.Matrix? MatrixOf(IReadOnlyList<Value> rows)
    {
        var cells = rows.Select(static row => ((Value.Bracketed)row).Items.Select(static item => (item as Value.Scalar)?.Of!).ToList()).ToList();
        return cells.TrueForAll(row => row.Count == cells[0].Count && !row.Contains(null!)) ? new(cells) : null;
    }

    private Value? Set(int close)
    {
        if (close == cursor.At + 1)
        {
            cursor.At += 2;
            return new Value.Region(RealSet.Empty, "no numbers");
        }

        int bar = cursor.Outside(cursor.At + 1, close, "|:");
        if (bar > 0 && cursor.Tokens[cursor.At + 1].Kind == TokenKind.Letter
            && (bar == cursor.At + 2 || (bar == cursor.At + 4 && cursor.Tokens[cursor.At + 2].Is('∈') && cursor.Tokens[cursor.At + 3].Is('ℝ'))))
        {
            // {x | 1 < x < 7}
            cursor.At = bar + 1;
            Value? condition = items();
            return condition is Value.Relation or Value.Region && cursor.At == close && cursor.At++ >= 0 ? condition : null;
        }

        return Inside(close) is { } all && cursor.Ahead(-1).IsAnyOf("⦄}") ? new Value.Set(all) : null;
    }

    /// <summary>pmatrix, bmatrix, matrix, array; of a vmatrix the determinant would be meant, which is not read.</summary>
    private Value? Matrix()
    {
        string name = Current.Text["begin ".Length..];
        if (name is not ("pmatrix" or "bmatrix" or "matrix" or "Bmatrix" or "smallmatrix" or "array"))
        {
            return null;
        }

        cursor.At++;
        var rows = new List<IReadOnlyList<Expression>>();
        var row = new List<Expression>();
        while (rows.Count <= AnswerParser.ItemsMax && row.Count <= AnswerParser.ItemsMax)
        {
            if (expressions.Sum() is not { } cell)
            {
                return null;
            }

            row.Add(cell);
            if (cursor.Take('&'))
            {
                continue;
            }

            rows.Add(row);
            row = [];
            _ = cursor.Take('⏎');
            if (Current.IsCommand("end " + name))
            {
                cursor.At++;
                return rows.TrueForAll(cells => cells.Count == rows[0].Count) ? new Value.Matrix(rows) : null;
            }
        }

        return null;
    }
}
