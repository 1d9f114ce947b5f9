using System.Globalization;
using System.Numerics;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>A number or a formula as it was written.</summary>
internal abstract record Expression
{
    private Expression()
    {
    }

    /// <summary>Digits.</summary>
    /// <param name="Places">Digits behind the point; 0 for a whole number, below 0 for a power of ten.</param>
    /// <param name="IsDecimal">It was written with a point or an exponent.</param>
    /// <param name="Repeats">Its last digits repeat without end, so that it is exact.</param>
    public sealed record Number(Rational Value, int Places = 0, bool IsDecimal = false, bool Repeats = false) : Expression;

    public enum Known
    {
        Pi,
        E,
        I,
        Infinity,
    }

    public sealed record Constant(Known Name) : Expression;

    public sealed record Variable(string Name) : Expression;

    public sealed record Negative(Expression Of) : Expression;

    /// <param name="Operation">One of <c>+ - * / ^</c>.</param>
    public sealed record Binary(char Operation, Expression Left, Expression Right) : Expression;

    /// <summary><c>7\frac{1}{2}</c>.</summary>
    public sealed record Mixed(Expression Whole, Expression Part) : Expression;

    /// <param name="MinusFirst">It is written \mp.</param>
    public sealed record PlusMinus(Expression? Left, Expression Right, bool MinusFirst) : Expression;

    public sealed record Root(Expression Of, int Degree) : Expression;

    public sealed record Percent(Expression Of) : Expression;

    public sealed record Degrees(Expression Of) : Expression;

    /// <summary><c>\sin</c>, <c>\ln</c>, <c>|x|</c>, <c>n!</c>, <c>\binom{n}{k}</c>, <c>\log_b</c> (base first); <c>f(x)</c> of an unknown f.</summary>
    public sealed record Function(string Name, Expression Of, Expression? Second = null) : Expression;

    public static Expression Integer(BigInteger value) => new Number(Rational.Of(value));

    public IEnumerable<Expression> Parts => this switch
    {
        Negative x => [x.Of],
        Binary x => [x.Left, x.Right],
        Mixed x => [x.Whole, x.Part],
        PlusMinus x => x.Left is null ? [x.Right] : [x.Left, x.Right],
        Root x => [x.Of],
        Percent x => [x.Of],
        Degrees x => [x.Of],
        Function x => x.Second is null ? [x.Of] : [x.Of, x.Second],
        _ => [],
    };

    public bool Any(Func<Expression, bool> what) => what(this) || Parts.Any(part => part.Any(what));

    public bool HasVariables => Any(static x => x is Variable or Function { Name: "f" or "g" or "h" });

    public bool Names(string variable) => Any(x => x is Variable v && v.Name == variable);

    public bool IsInfinite => this is Constant { Name: Known.Infinity } or Negative { Of: Constant { Name: Known.Infinity } };

    /// <summary>Defined for whole numbers first of all: its variables are tried at such.</summary>
    public bool IsCounting => Any(static x => x is Function { Name: "!" or "binom" });

    /// <summary>The formula with each \pm read as one sign, \mp as the other.</summary>
    public Expression Signed(bool plus) => this switch
    {
        PlusMinus x => Chosen(x, plus),
        Negative x => new Negative(x.Of.Signed(plus)),
        Binary x => new Binary(x.Operation, x.Left.Signed(plus), x.Right.Signed(plus)),
        Root x => new Root(x.Of.Signed(plus), x.Degree),
        Percent x => new Percent(x.Of.Signed(plus)),
        Degrees x => new Degrees(x.Of.Signed(plus)),
        Function x => new Function(x.Name, x.Of.Signed(plus), x.Second?.Signed(plus)),
        _ => this,
    };

    private static Expression Chosen(PlusMinus x, bool plus)
    {
        Expression right = x.Right.Signed(plus);
        Expression signed = plus == x.MinusFirst ? new Negative(right) : right;
        return x.Left is null ? signed : new Binary('+', x.Left.Signed(plus), signed);
    }

    /// <summary>The one number that was written in digits, behind a sign, a percent sign or none: what can have been rounded.</summary>
    public Number? Literal => this switch
    {
        Number x => x,
        Negative x => x.Of is Number ? x.Of.Literal : null,
        Percent x => x.Of.Literal is { } of ? of with { Places = of.Places + 2 } : null,
        _ => null,
    };

    /// <summary>Kind of notation, for strict comparison and for showing.</summary>
    public string Notation => this switch
    {
        Number { Repeats: true } => "repeating decimal",
        Number { IsDecimal: true } => "decimal",
        Number => "whole number",
        Mixed => "mixed number",
        Percent => "percentage",
        Constant { Name: Known.Infinity } => "infinity",
        Constant => "constant",
        Negative x => x.Of.Notation,
        Binary { Operation: '/', Left: Number or Negative { Of: Number }, Right: Number } => "fraction",
        _ => HasVariables ? "formula" : "numeric expression",
    };

    public sealed override string ToString() => this switch
    {
        Number x when x.Repeats || x.Value.IsWhole => x.Value.ToString(),
        Number x => Decimal(x.Value),
        Constant { Name: Known.Pi } => "pi",
        Constant x => x.Name == Known.Infinity ? "infinity" : x.Name.ToString().ToLowerInvariant(),
        Variable x => x.Name,
        Negative x => $"-{Inner(x.Of)}",
        Binary { Operation: '+' or '-' } x => $"{x.Left} {x.Operation} {(x.Right is Binary { Operation: '+' or '-' } ? $"({x.Right})" : x.Right)}",
        Binary x => $"{Inner(x.Left)}{x.Operation}{Inner(x.Right)}",
        Mixed x => $"{x.Whole} + {x.Part}",
        PlusMinus x => $"{x.Left} {(x.MinusFirst ? "-+" : "+-")} {Inner(x.Right)}".TrimStart(),
        Root x => x.Degree == 2 ? $"sqrt({x.Of})" : $"root{x.Degree}({x.Of})",
        Percent x => $"{Inner(x.Of)}%",
        Degrees x => $"{Inner(x.Of)} degrees",
        Function { Name: "!" } x => $"{Inner(x.Of)}!",
        Function x => x.Second is null ? $"{x.Name}({x.Of})" : $"{x.Name}({x.Of}, {x.Second})",
        _ => "?",
    };

    private static string Inner(Expression x) => x is Binary or Mixed or PlusMinus or Negative ? $"({x})" : x.ToString();

    /// <summary>A terminating decimal in digits; else the fraction.</summary>
    private static string Decimal(Rational value)
    {
        for (int places = 1; places <= 30; places++)
        {
            if (Rational.Multiply(value, Rational.Of(BigInteger.Pow(10, places))) is { IsWhole: true } scaled)
            {
                string digits = BigInteger.Abs(scaled.Numerator).ToString(CultureInfo.InvariantCulture).PadLeft(places + 1, '0');
                return $"{(scaled.Sign < 0 ? "-" : "")}{digits[..^places]}.{digits[^places..]}";
            }
        }

        return value.ToString();
    }
}
