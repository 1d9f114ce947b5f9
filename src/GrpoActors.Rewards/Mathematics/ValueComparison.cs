using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>Whether two values say the same, by the rules of their types, and why. The rules with examples: <c>README.md</c>.</summary>
internal sealed class ValueComparison
{
    public readonly record struct Verdict(bool Equal, string Why)
    {
        public static Verdict Of(bool equal, string same, string different) => new(equal, equal ? same : different);
    }

    private readonly Formulas _formulas = new();

    private static Verdict Different(string why) => new(false, why);

    public Verdict Compare(Value wanted, Value said) => (wanted, said) switch
    {
        (_, Value.Chain x) => AgreesWithItself(x) ? Any(x.Sides.Select(side => Compare(wanted, side)))
            : Different("the answer's sides are not equal to each other"),
        (Value.Chain x, _) => Any(x.Sides.Select(side => Compare(side, said))),
        (Value.Several or Value.Set or Value.PlusMinus or Value.Named { Is: Value.PlusMinus }, _)
            or (_, Value.Several or Value.Set or Value.PlusMinus or Value.Named { Is: Value.PlusMinus }) => Lists(wanted, said),
        (Value.Named x, Value.Named y) => x.Name == y.Name ? Compare(x.Is, y.Is)
            : x.As is { } a && y.As is { } b ? Equations(a, b)
            : Different($"one says what {x.Name} is, the other what {y.Name} is"),
        (Value.Named { As: { } x }, Value.Equation y) => Equations(x, y),
        (Value.Equation x, Value.Named { As: { } y }) => Equations(x, y),
        (Value.Named x, _) => Compare(x.Is, said),
        (_, Value.Named y) => Compare(wanted, y.Is),
        (Value.Scalar x, Value.Scalar y) => Scalars(x, y),
        (Value.Equation x, Value.Equation y) => Equations(x, y),
        (Value.Bracketed x, Value.Bracketed y) => Brackets(x, y),
        (Value.Relation x, Value.Relation y) => Relations(x, y),
        (Value.Region or Value.Relation or Value.Bracketed, Value.Region or Value.Relation or Value.Bracketed) =>
            RealSetReader.Of(wanted) is { } a && RealSetReader.Of(said) is { } b ? Verdict.Of(a.Same(b), "the same real numbers", "other real numbers")
                : Different("no sets of real numbers that can be compared"),
        (Value.Matrix x, Value.Matrix y) => Matrices(x, y),
        (Value.Time x, Value.Time y) => Verdict.Of(SameTime(x, y), "the same time", "another time"),
        (Value.Ratio x, Value.Ratio y) => Verdict.Of(SameRatio(x, y), "the same ratio", "another ratio"),
        (Value.InBase x, Value.InBase y) => Verdict.Of(x == y, "the same digits in the same base", "other digits or another base"),
        (Value.Written x, Value.Written y) => Verdict.Of(x.Letters == y.Letters, "the same letters", "other letters"),
        _ => Different($"the reference is a {wanted.Kind}, the answer a {said.Kind}"),
    };

    private static Verdict Any(IEnumerable<Verdict> verdicts)
    {
        Verdict last = Different("nothing was compared");
        foreach (Verdict verdict in verdicts)
        {
            last = verdict;
            if (verdict.Equal)
            {
                break;
            }
        }

        return last;
    }

    /// <summary><c>\frac13 \approx 0.333</c>: each side is the first one, or a decimal that rounds or cuts it.</summary>
    private bool AgreesWithItself(Value.Chain chain)
    {
        Value.Scalar first = chain.Sides[0];
        return chain.Sides.Skip(1).All(side => Unit.Ratio(first.Measure, side.Measure) == Rational.One
            && (SameValue(first.Of, side.Of) || IsRounded(side.Of, first.Of) || IsRounded(first.Of, side.Of)));
    }

    private bool SameValue(Expression a, Expression b) => _formulas.Same(a, b);

    /// <summary>Rounded or cut in its last digit.</summary>
    private bool IsRounded(Expression rounded, Expression from) => rounded.Literal is { IsDecimal: true, Repeats: false, Places: > 0 } literal
        && IsRounded(literal, rounded, from);

    private bool IsRounded(Expression.Number literal, Expression rounded, Expression from)
    {
        if (rounded.HasVariables || from.HasVariables || _formulas.Value(rounded) is not { IsReal: true } shorter
            || _formulas.Value(from) is not { IsReal: true } full
            || Quantity.Absolute(shorter) is not { } size || Quantity.Absolute(full) is not { } fullSize || shorter.Inexact.Re.Sign != full.Inexact.Re.Sign)
        {
            return false;
        }

        Rational unit = Rational.Of(1, BigInteger.Pow(10, literal.Places))!.Value, half = Rational.Of(1, 2 * BigInteger.Pow(10, literal.Places))!.Value;
        bool Within(Quantity low, Quantity high, Rational most) => Quantity.Add(high, Quantity.Negate(low)) is { } apart
            && Quantity.Compare(apart, Quantity.Of(Rational.Zero)) >= 0 && Quantity.Compare(apart, Quantity.Of(most)) <= 0;
        // The shortest decimal that gives back a double may be off by one in its last place.
        return Within(size, fullSize, unit) || Within(fullSize, size, literal.Places >= DoublePlaces ? unit : half);
    }

    private Verdict Scalars(Value.Scalar wanted, Value.Scalar said)
    {
        if (wanted.Of.IsInfinite || said.Of.IsInfinite)
        {
            return Verdict.Of(wanted.Of.IsInfinite && said.Of.IsInfinite
                && wanted.Of is Expression.Negative == said.Of is Expression.Negative, "the same infinity", "one is infinite");
        }

        if (InRadians(wanted, said) is { } angle)
        {
            return Scalars(angle, said);
        }

        if (InRadians(said, wanted) is { } other)
        {
            return Scalars(wanted, other);
        }

        if (Unit.Ratio(wanted.Measure, said.Measure) is not { } ratio)
        {
            return Different($"another unit: {wanted.Measure} and {said.Measure}");
        }

        if (said.IsApproximate && !wanted.IsApproximate && (said.Of.Literal is not { IsDecimal: true }
            || _formulas.Value(wanted.Of) is { Exact.IsWhole: true }))
        {
            return Different("about a number is not that number, unless it is a rounded decimal");
        }

        Expression of = ratio == Rational.One ? said.Of : new Expression.Binary('*', said.Of, new Expression.Number(ratio));
        if (SameValue(wanted.Of, of))
        {
            return new(true, "the same value");
        }

        if (ratio == Rational.One && (StandsFor(said.Of, wanted.Of) || StandsFor(wanted.Of, said.Of)))
        {
            return new(true, "the decimal is the other number, rounded");
        }

        return WithoutPercent(wanted.Of) is { } percentage && WithoutPercent(said.Of) is null && said.Measure is not { IsNone: false }
            && SameValue(percentage, said.Of)
            ? new(true, "the same number of percent")
            : Different("another value");
    }

    /// <summary>An angle in degrees beside one that is written with pi: 30 degrees = pi/6.</summary>
    private static Value.Scalar? InRadians(Value.Scalar degrees, Value.Scalar radians) =>
        degrees.Measure == Unit.Degree && radians.Measure is null or { IsNone: true }
            && radians.Of.Any(static part => part is Expression.Constant { Name: Expression.Known.Pi })
            ? new(new Expression.Degrees(degrees.Of)) : null;

    private static Expression? WithoutPercent(Expression of) => of switch
    {
        Expression.Percent x => x.Of,
        Expression.Negative { Of: Expression.Percent x } => new Expression.Negative(x.Of),
        _ => null,
    };

    private const int DoublePlaces = 12;

    private static readonly Rational RoundingMax = Rational.Of(5, 10_000_000)!.Value, RelativeMax = Rational.Of(1, 100_000)!.Value,
        Thousand = Rational.Of(1_000);

    /// <summary>
    /// A decimal of six places or more, not merely filled up with zeros, for what no decimal can write (1/3, sqrt 2): cut or rounded in its last place,
    /// at most 5e-7 and 1e-5 of its size away.
    /// </summary>
    private bool StandsFor(Expression rounded, Expression exact)
    {
        if (rounded.Literal is not { IsDecimal: true, Repeats: false, Places: >= 6 } literal
            || Rational.Multiply(literal.Value, Thousand) is null or { IsWhole: true }
            || exact.HasVariables || _formulas.Value(exact) is not { IsReal: true } value || (value.Exact is { } fraction && Terminates(fraction)))
        {
            return false;
        }

        // |exact - rounded| <= the least of 5e-7 and 1e-5 of its size
        return IsRounded(literal, rounded, exact) && Quantity.Add(value, Quantity.Negate(Quantity.Of(literal.Value))) is { } signed
            && Quantity.Absolute(signed) is { } apart
            && Quantity.Compare(apart, Quantity.Of(RoundingMax)) <= 0 && Rational.Multiply(RelativeMax, literal.Value) is { } share
            && Quantity.Compare(apart, Quantity.Of(share)) <= 0;
    }

    /// <summary>Whether a decimal can write it in full.</summary>
    private static bool Terminates(Rational value)
    {
        BigInteger rest = value.Denominator;
        foreach (int factor in (ReadOnlySpan<int>)[2, 5])
        {
            while ((rest % factor).IsZero)
            {
                rest /= factor;
            }
        }

        return rest.IsOne;
    }

    private Verdict Lists(Value wanted, Value said)
    {
        if (Names(wanted) is { } names)
        {
            return NamedValues(names, said);
        }

        if (Names(said) is { } saidNames)
        {
            return wanted is Value.Bracketed ? NamedValues(saidNames, wanted) : InOrder(wanted, saidNames);
        }

        if (Items(wanted, out string? wantedName) is not { } a || Items(said, out string? saidName) is not { } b)
        {
            return (wanted is Value.Region or Value.Relation or Value.Bracketed && said is Value.Set) || (wanted is Value.Set && said is Value.Region)
                ? RealSetReader.Of(wanted) is { } x && RealSetReader.Of(said) is { } y && x.Same(y) ? new(true, "the same real numbers")
                    : Different("not the same real numbers")
                : Different($"the reference is a {wanted.Kind}, the answer a {said.Kind}");
        }

        if (wantedName is not null && saidName is not null && wantedName != saidName)
        {
            return Different($"one says what {wantedName} is, the other what {saidName}");
        }

        if (a.Count != b.Count)
        {
            return Different($"{a.Count} and {b.Count} items");
        }

        var rest = b.ToList();
        foreach (Value item in a)
        {
            int at = rest.FindIndex(other => item is Value.Set == other is Value.Set && Compare(item, other).Equal);
            if (at < 0)
            {
                return Different($"nothing in the answer is {item}");
            }

            rest.RemoveAt(at);
        }

        return new(true, "the same items");
    }

    /// <summary>The items of a list or set; a name that they share is told apart from them: "x = 2 or x = 5", "x = 2, 5".</summary>
    private static IReadOnlyList<Value>? Items(Value value, out string? name)
    {
        name = null;
        switch (value)
        {
            case Value.PlusMinus x: return [new Value.Scalar(x.Of.Of.Signed(true), x.Of.Measure), new Value.Scalar(x.Of.Of.Signed(false), x.Of.Measure)];
            case Value.Named { Is: Value.PlusMinus or Value.Set } x:
                IReadOnlyList<Value>? items = Items(x.Is, out _);
                name = x.Name;
                return items;
            case Value.Set x: return [.. x.Items.SelectMany(Signs)];
            case Value.Scalar or Value.Bracketed or Value.Named: return [value];
            case Value.Several x:
                string? first = name = (x.Items[0] as Value.Named)?.Name;
                bool one = first is not null && x.Items.Skip(1).All(item => item is not Value.Named other || other.Name == first);
                name = one ? first : null;
                return [.. x.Items.Select(item => one && item is Value.Named named ? named.Is : item).SelectMany(Signs)];
            default: return null;
        }
    }

    /// <summary>An item, or the two that a plus-minus is.</summary>
    private static IReadOnlyList<Value> Signs(Value item) => item is Value.PlusMinus ? Items(item, out _)! : [item];

    /// <summary>Values of several names, "x = 1, y = 2"; null for anything else.</summary>
    private static Value.Several? Names(Value value) => value is Value.Several list && list.Items.All(static item => item is Value.Named)
        && list.Items.Select(static item => ((Value.Named)item).Name).Distinct().Count() == list.Items.Count ? list : null;

    /// <summary>A list without names takes values of several names only in its own order.</summary>
    private Verdict InOrder(Value wanted, Value.Several said) => wanted is Value.Several list && list.Items.Count == said.Items.Count
        && said.Joint != Value.Link.Or
        ? Verdict.Of(list.Items.Zip(said.Items).All(pair => Compare(pair.First, ((Value.Named)pair.Second).Is).Equal), "the same values in the same order",
            "other values, or another order")
        : Different($"the reference is a {wanted.Kind}, the answer gives names their values");

    private Verdict NamedValues(Value.Several wanted, Value said)
    {
        var names = wanted.Items.Cast<Value.Named>().ToList();
        if (said is Value.Bracketed { Open: '(', Close: ')' } point && wanted.Joint != Value.Link.Or)
        {
            bool inOrder = names.Zip(names.Skip(1)).All(static pair => string.CompareOrdinal(pair.First.Name, pair.Second.Name) < 0);
            return inOrder && point.Items.Count == names.Count
                ? Verdict.Of(names.Zip(point.Items).All(pair => Compare(pair.First.Is, pair.Second).Equal), "the same point", "another point")
                : Different("which of the names the answer's numbers belong to is not said");
        }

        if (names.TrueForAll(static name => name.Name.Contains('_')) && said is Value.Several plain && plain.Items.Count == names.Count
            && plain.Items.All(static item => item is not Value.Named))
        {
            return Verdict.Of(names.Zip(plain.Items).All(pair => Compare(pair.First.Is, pair.Second).Equal), "the same values in the same order",
                "other values, or another order");
        }

        if (said is not Value.Several list || list.Items.Count != names.Count || (wanted.Joint == Value.Link.Or) != (list.Joint == Value.Link.Or))
        {
            return Different("not the same names");
        }

        foreach (Value.Named name in names)
        {
            if (!list.Items.Any(item => item is Value.Named other && other.Name == name.Name && Compare(name.Is, other.Is).Equal))
            {
                return Different($"nothing in the answer says that {name}");
            }
        }

        return new(true, "the same names and values");
    }

    private Verdict Brackets(Value.Bracketed wanted, Value.Bracketed said)
    {
        static char Round(char bracket) => bracket switch { '⟨' => '(', '⟩' => ')', _ => bracket };
        if (Round(wanted.Open) != Round(said.Open) || Round(wanted.Close) != Round(said.Close) || wanted.Items.Count != said.Items.Count)
        {
            return Different("other brackets or another number of items");
        }

        for (int i = 0; i < wanted.Items.Count; i++)
        {
            if (Compare(wanted.Items[i], said.Items[i]) is { Equal: false } item)
            {
                return Different($"item {i + 1}: {item.Why}");
            }
        }

        return new(true, "the same items in the same order");
    }

    private Verdict Equations(Value.Equation wanted, Value.Equation said) =>
        Verdict.Of(_formulas.Proportional(Difference(wanted.Left, wanted.Right), Difference(said.Left, said.Right), positive: false),
            "the same equation up to scale", "another equation");

    private static Expression.Binary Difference(Expression a, Expression b) => new('-', a, b);

    private Verdict Relations(Value.Relation wanted, Value.Relation said)
    {
        if (RealSetReader.Variable(wanted) is { } x && RealSetReader.Variable(said) is { } y && RealSetReader.Of(wanted) is { } a
            && RealSetReader.Of(said) is { } b)
        {
            return x != y ? Different($"one is about {x}, the other about {y}") : Verdict.Of(a.Same(b), "the same real numbers", "other real numbers");
        }

        Value.Relation one = Upwards(wanted), other = Upwards(said);
        bool same = one.Operators == other.Operators;
        for (int i = 0; same && i < one.Operators.Length; i++)
        {
            same = (one.Sides[i], other.Sides[i]) switch
            {
                (null, null) => _formulas.Same(one.Sides[i + 1]!, other.Sides[i + 1]!),
                ({ } left, { } right) => _formulas.Proportional(Difference(left, one.Sides[i + 1]!), Difference(right, other.Sides[i + 1]!),
                    positive: one.Operators[i] != '≠')
                    || (_formulas.Same(left, right) && _formulas.Same(one.Sides[i + 1]!, other.Sides[i + 1]!)),
                _ => false,
            };
        }

        return Verdict.Of(same, "the same relation", "another relation");
    }

    /// <summary><c>7 &gt; x</c> as <c>x &lt; 7</c>: the smaller side first.</summary>
    public static Value.Relation Upwards(Value.Relation relation) => relation.Sides[0] is null || !relation.Operators.All(static c => c is '>' or '≥')
        ? relation
        : new([.. relation.Sides.Reverse()], string.Concat(relation.Operators.Reverse().Select(static c => c == '>' ? '<' : '≤')));

    private Verdict Matrices(Value.Matrix wanted, Value.Matrix said)
    {
        bool same = wanted.Rows.Count == said.Rows.Count && wanted.Rows.Zip(said.Rows).All(rows => rows.First.Count == rows.Second.Count
            && rows.First.Zip(rows.Second).All(cells => Scalars(new(cells.First), new(cells.Second)).Equal));
        return Verdict.Of(same, "the same cells", "other cells");
    }

    /// <summary>11:00 pm = 23:00; a time of which half of the day is not said is in the first.</summary>
    private static bool SameTime(Value.Time a, Value.Time b)
    {
        static int Seconds(Value.Time time)
        {
            int hour = time.Half.Length == 0 ? time.Hour : time.Hour % 12 + (time.Half == "pm" ? 12 : 0);
            return (hour * 60 + time.Minute) * 60 + time.Second;
        }

        return Seconds(a) == Seconds(b);
    }

    private bool SameRatio(Value.Ratio a, Value.Ratio b)
    {
        if (a.Terms.Count != b.Terms.Count)
        {
            return false;
        }

        for (int i = 1; i < a.Terms.Count; i++)
        {
            if (!_formulas.Same(new Expression.Binary('*', a.Terms[i], b.Terms[0]), new Expression.Binary('*', b.Terms[i], a.Terms[0])))
            {
                return false;
            }
        }

        return true;
    }
}
