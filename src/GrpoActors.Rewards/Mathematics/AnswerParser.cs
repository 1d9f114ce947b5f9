using System.Collections.Frozen;
using System.Globalization;
using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// Reads what an answer states as a typed value: <c>answer := item { ("," | ";" | "and" | "or") item }</c>, where an item is a chain of sides joined by
/// <c>=</c>, <c>≈</c> or relations, and a side is a number or formula with its unit, a bracketed or set-like collection, a matrix, a time or a ratio.
/// The whole text must be read; else it has no value.
/// </summary>
internal sealed class AnswerParser
{
    public const int ItemsMax = 64;

    private const int DepthMax = 12;

    private readonly TokenCursor _cursor;
    private readonly NotationParser _notations;
    private readonly CollectionParser _collections;
    private int _depth;

    private AnswerParser(List<Token> tokens)
    {
        _cursor = new(tokens);
        var expressions = new ExpressionParser(_cursor);
        _notations = new(_cursor, expressions);
        _collections = new(_cursor, expressions, new(_cursor, expressions), Items);
    }

    /// <param name="text">Normalised.</param>
    /// <param name="commasGroup">Whether <c>10,100</c> is a number at the top level; else it is two.</param>
    /// <returns>Null for what cannot be read.</returns>
    public static Value? Read(string text, bool commasGroup = true)
    {
        if (Lexer.Tokens(text) is not { Count: > 0 } tokens)
        {
            return null;
        }

        while (tokens.Count > 0 && (tokens[^1].IsAnyOf(".,;:") || (tokens[^1].Is('*') && tokens.Count > 1)))
        {
            tokens.RemoveAt(tokens.Count - 1);
        }

        var parser = new AnswerParser(tokens);
        parser._cursor.CommasGroup = commasGroup;
        return parser.Items() is { } value && parser._cursor.IsAtEnd ? value : null;
    }

    /// <summary><c>ab</c> as a product of its letters: for comparison with a formula; by itself it is a word.</summary>
    public static Value? ReadProduct(string text) => text.Length is 2 or 3 && text.All(char.IsAsciiLetter)
        ? new Value.Scalar(text.Select(static c => (Expression)new Expression.Variable(c.ToString())).Aggregate(static (a, b) =>
            new Expression.Binary('*', a, b)))
        : null;

    private Token Current => _cursor.Current;

    private Value? Items()
    {
        var items = new List<Value>();
        Value.Link? joint = null;
        bool signs = false;
        while (true)
        {
            if (items.Count == ItemsMax || ++_depth > DepthMax || Item() is not { } item)
            {
                return null;
            }

            _depth--;
            items.Add(item);
            int before = _cursor.At;
            bool comma = Current.IsAnyOf(",;&") && _cursor.At++ >= 0;
            signs |= Current.IsAnyOf("∧∨");
            Value.Link? word = Current.IsWord("and") || Current.Is('∧') ? Value.Link.And : Current.IsWord("or") || Current.Is('∨') ? Value.Link.Or : null;
            _cursor.At += word is null ? 0 : 1;
            if (!comma && word is null)
            {
                break;
            }

            if (_cursor.IsAtEnd)
            {
                _cursor.At = before;
                break;
            }

            // "a or b and c" can be read in two ways.
            if (word is not null && joint is not (null or Value.Link.Comma) && joint != word)
            {
                return null;
            }

            joint = word ?? joint ?? Value.Link.Comma;
        }

        return items.Count == 1 ? items[0] : Related(items, joint!.Value) ?? (signs ? null
            : Compound(items, joint.Value) ?? (Value)new Value.Several(items, joint.Value));
    }

    /// <summary>"5 dollars and 25 cents", "6 hours, 30 minutes": one measure.</summary>
    private static Value.Scalar? Compound(List<Value> items, Value.Link joint)
    {
        Value.Scalar? sum = joint == Value.Link.Or ? null : items[0] as Value.Scalar;
        foreach (Value item in items.Skip(1))
        {
            sum = sum is not null && item is Value.Scalar next ? MeasureParser.Added(sum, next) : null;
        }

        return sum;
    }

    /// <summary>"x &lt; 1 or x &gt; 7", "x &gt; 1 and x &lt; 7": one set of numbers.</summary>
    private static Value? Related(List<Value> items, Value.Link joint)
    {
        if (joint == Value.Link.Comma || !items.All(static item => item is Value.Relation or Value.Region or Value.Bracketed)
            || !items.Exists(static item => item is Value.Relation))
        {
            return null;
        }

        RealSet? all = null;
        string? variable = null;
        foreach (Value item in items)
        {
            if (item is Value.Relation relation)
            {
                string? name = relation.Sides.FirstOrDefault(static side => side is Expression.Variable)?.ToString();
                if (name is null || (variable is not null && name != variable))
                {
                    return null;
                }

                variable = name;
            }

            if (RealSetReader.Of(item) is not { } next)
            {
                return null;
            }

            all = all is null ? next : joint == Value.Link.Or ? all.Union(next) : all.Intersection(next);
        }

        return new Value.Region(all!, string.Join(joint == Value.Link.Or ? " or " : " and ", items));
    }

    private Value? Item()
    {
        bool about = false;
        while (Current.Kind == TokenKind.Word || Current.Is('≈'))
        {
            string word = Current.Text.ToLowerInvariant();
            if (word is "≈" or "approximately" or "about" or "approx" or "roughly" or "around")
            {
                about = true;
            }
            else if (word is not ("exactly" or "only" or "just" or "simply" or "precisely"))
            {
                break;
            }

            _cursor.At++;
            _ = word == "approx" && _cursor.Take('.');
        }

        Value? value = _notations.Read() ?? Chain();
        return !about ? value : value is Value.Scalar scalar ? scalar with { IsApproximate = true } : null;
    }

    private readonly record struct Side(Value? Is, string? Name, Expression? Formula);

    /// <summary>Sides joined by <c>=</c>, <c>≈</c>, <c>∈</c> or relations.</summary>
    private Value? Chain()
    {
        var sides = new List<Side>();
        string operators = "";
        if (Current.IsAnyOf("<>≤≥≠="))
        {
            sides.Add(default);
            operators += Current.Text;
            _cursor.At++;
        }

        while (true)
        {
            if (sides.Count > 8 || ReadSide() is not { } side)
            {
                return null;
            }

            sides.Add(side);
            if (!Current.IsAnyOf("=≈<>≤≥≠∈:"))
            {
                break;
            }

            operators += Current.Text == ":" ? "=" : Current.Text;
            _cursor.At++;
        }

        return Assembled(sides, operators);
    }

    private Side? ReadSide()
    {
        int at = _cursor.At;
        string? name = NameParser.Read(_cursor);
        int end = _cursor.At, count = _cursor.Tokens.Count;
        _cursor.At = at;
        Value? value = _collections.Read();
        end += _cursor.Tokens.Count - count; // xy was cut into its letters
        if (name is not null && (value is null || _cursor.At != end))
        {
            _cursor.At = end;
            return new(null, name, null);
        }

        return value is null ? null : new Side(value, name, (value as Value.Scalar)?.Of);
    }

    private static Value? Assembled(List<Side> sides, string operators)
    {
        if (operators.Length == 0)
        {
            return sides[0].Is;
        }

        if (operators[0] == '=' && sides[0] == default)
        {
            return Assembled(sides[1..], operators[1..]);
        }

        if (operators.AsSpan().IndexOfAny("<>≤≥≠") >= 0)
        {
            bool formulas = sides.Skip(1).All(static side => side.Is is Value.Scalar { Measure: null or { IsNone: true } })
                && (sides[0] == default || sides[0].Is is Value.Scalar);
            bool inequalities = operators.All(static c => "<>≤≥≠".Contains(c)) && (!operators.Contains('≠') || operators.Length == 1);
            return formulas && inequalities ? new Value.Relation([.. sides.Select(static side => side.Formula)], operators) : null;
        }

        if (operators.Contains('∈'))
        {
            return operators == "∈" && sides[0].Name is not null && sides[1].Is is Value.Bracketed or Value.Set or Value.Region ? sides[1].Is : null;
        }

        if (sides[0] is { Is: Value.Bracketed names } && sides.Count == 2 && sides[1].Is is Value.Bracketed values && Paired(names, values) is { } pairs)
        {
            return pairs;
        }

        bool first = sides[0].Name is not null;
        if (!first && sides.Count == 2 && sides[1].Name is { } behind && sides[0].Is is { } front && operators == "="
            && !(sides[0].Formula is Expression.Variable))
        {
            return Named(behind, front, sides[1].Formula, sides[0].Formula);
        }

        if (first)
        {
            // "x = y": an equation of two names.
            Value? value = Joined(sides[1..], operators[1..]);
            value = operators == "≈" && value is Value.Scalar about ? about with { IsApproximate = true } : value;
            return value is null ? null : Named(sides[0].Name!, value, sides[0].Formula, operators == "=" ? sides[1].Formula : null);
        }

        return sides.Count == 2 && operators == "=" && sides[0].Is is Value.Scalar { Measure: null or { IsNone: true } } left
            && sides[1].Is is Value.Scalar { Measure: null or { IsNone: true } } right
            && (left.Of.HasVariables || right.Of.HasVariables)
            ? new Value.Equation(left.Of, right.Of)
            : Joined(sides, operators);
    }

    private static Value Named(string name, Value value, Expression? left, Expression? right)
    {
        Value.Equation? equation = left is Expression.Variable && right is { IsInfinite: false } ? new(left, right) : null;
        // x = 2x - 1 does not say what x is.
        return equation is { Left: Expression.Variable x } && right!.Names(x.Name) ? equation : new Value.Named(name, value, equation);
    }

    /// <summary>The sides behind a name: one value, or equal numbers.</summary>
    private static Value? Joined(List<Side> sides, string operators)
    {
        if (sides.Count == 1)
        {
            return sides[0].Is;
        }

        // "A = \pi r^2 = 9\pi": the last says what it is.
        var numbers = sides.Select(static side => side.Is as Value.Scalar).ToList();
        if (numbers.Contains(null))
        {
            return null;
        }

        int from = 0;
        while (from < numbers.Count - 1 && numbers[from]!.Of.HasVariables && !numbers[^1]!.Of.HasVariables)
        {
            from++;
        }

        var rest = numbers.Skip(from).Select(static number => number!).ToList();
        return rest.Count == 1 ? operators[^1] == '≈' ? rest[0] with { IsApproximate = true } : rest[0] : new Value.Chain(rest);
    }

    /// <summary><c>(x, y) = (1, 2)</c></summary>
    private static Value.Several? Paired(Value.Bracketed names, Value.Bracketed values) =>
        names is { Open: '(', Close: ')' } && values is { Open: '(', Close: ')' } && names.Items.Count == values.Items.Count
            && names.Items.All(static item => item is Value.Scalar { Of: Expression.Variable, Measure: null })
            ? new([.. names.Items.Zip(values.Items, static (name, value) => (Value)new Value.Named(((Value.Scalar)name).Of.ToString(), value, null))],
                Value.Link.And)
            : null;
}
