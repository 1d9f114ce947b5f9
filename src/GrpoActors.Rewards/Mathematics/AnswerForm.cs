namespace GrpoActors.Rewards.Mathematics;

/// <summary>How a value is written, for strict comparison.</summary>
internal static class AnswerForm
{
    /// <summary>What strict comparison asks for besides the value: the same type, notation and terms (in any order), a unit on both sides or on none.</summary>
    public static string Of(Value value) => value switch
    {
        Value.Scalar x => $"{Of(x.Of)}{(x.Measure is { IsNone: false } ? " unit" : "")}{(x.IsApproximate ? " about" : "")}",
        Value.PlusMinus x => Of(x.Of),
        Value.Chain x => string.Join(" = ", x.Sides.Select(Of)),
        Value.Bracketed x => $"{x.Open}{string.Join(", ", x.Items.Select(Of))}{x.Close}",
        Value.Several x => $"list {string.Join(", ", x.Items.Select(Of).Order(StringComparer.Ordinal))}",
        Value.Set x => $"set {string.Join(", ", x.Items.Select(Of).Order(StringComparer.Ordinal))}",
        Value.Named x => $"{x.Name} = {Of(x.Is)}",
        Value.Equation x => $"{Of(x.Left)} = {Of(x.Right)}",
        Value.Relation x => Of(ValueComparison.Upwards(x), 0),
        Value.Matrix x => string.Join("; ", x.Rows.Select(static row => string.Join(", ", row.Select(Of)))),
        Value.Ratio x => string.Join(":", x.Terms.Select(Of)),
        Value.Region x => x.Spelling,
        _ => value.Kind,
    };

    private static string Of(Value.Relation x, int from) =>
        string.Concat(x.Sides.Skip(from).Select((side, i) => $"{(side is null ? "" : Of(side))}{(i < x.Operators.Length ? x.Operators[i].ToString() : "")}"));

    private static string Of(Expression of) => of switch
    {
        Expression.Number { IsDecimal: true, Repeats: false } => "decimal",
        Expression.Number x => $"{(x.Repeats ? "repeating " : "")}{x.Value}",
        Expression.Negative x => $"-({Of(x.Of)})",
        Expression.Binary { Operation: '+' or '-' } => $"sum({string.Join(", ", Terms(of, negative: false).Order(StringComparer.Ordinal))})",
        Expression.Binary { Operation: '*' } => $"product({string.Join(", ", Factors(of).Order(StringComparer.Ordinal))})",
        Expression.Binary x => $"({Of(x.Left)}){x.Operation}({Of(x.Right)})",
        Expression.Mixed x => $"{Of(x.Whole)} {Of(x.Part)}",
        Expression.Root x => $"root{x.Degree}({Of(x.Of)})",
        Expression.Percent x => $"{Of(x.Of)}%",
        Expression.Degrees x => $"{Of(x.Of)} degrees",
        Expression.PlusMinus x => $"{(x.Left is null ? "" : Of(x.Left))} +- {Of(x.Right)}",
        Expression.Function x => $"{x.Name}({Of(x.Of)}{(x.Second is null ? "" : $", {Of(x.Second)}")})",
        _ => of.ToString(),
    };

    private static IEnumerable<string> Terms(Expression of, bool negative) => of is Expression.Binary { Operation: '+' or '-' } sum
        ? Terms(sum.Left, negative).Concat(Terms(sum.Right, negative != (sum.Operation == '-')))
        : of is Expression.Negative minus ? Terms(minus.Of, !negative)
        : [negative ? $"-({Of(of)})" : Of(of)];

    private static IEnumerable<string> Factors(Expression of) => of is Expression.Binary { Operation: '*' } product
        ? Factors(product.Left).Concat(Factors(product.Right)) : [Of(of)];
}
