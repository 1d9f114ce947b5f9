using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace GrpoActors.Core.Plans;

/// <summary>What a setting's value looks like: parsing, range and the words for both, in one place.</summary>
internal abstract class ValueForm<T>
{
    /// <summary>Completes "expected …" and stands in the reference: "a whole number, 1 or more".</summary>
    public abstract string Expected { get; }

    public abstract bool TryRead(ConfigNode node, out T value);

    /// <summary>As JSON.</summary>
    public abstract string Show(T value);

    /// <summary>Appended to the problem where a hint is at hand ("Did you mean …").</summary>
    public virtual string Hint(ConfigNode node) => $"Expected {Expected}.";

    protected static string Json(string text) => new ConfigNode.Scalar(JsonValueKind.String, text, default).ToJson();

    /// <summary>The text of a scalar: a string, or anything from the environment or the command line, where quotes are seldom written.</summary>
    protected static string? Text(ConfigNode node) => node switch
    {
        ConfigNode.Scalar { Kind: JsonValueKind.String } scalar => scalar.Text,
        ConfigNode.Scalar { Source.Kind: SourceKind.Environment or SourceKind.CommandLine } scalar => scalar.Text,
        _ => null,
    };
}

internal sealed class WholeForm<T>(T min, T max) : ValueForm<T>
    where T : struct, IBinaryInteger<T>, IMinMaxValue<T>
{
    public override string Expected =>
        max == T.MaxValue ? $"a whole number, {min} or more" : $"a whole number from {min} to {max}";

    public override bool TryRead(ConfigNode node, out T value)
    {
        value = min;
        return node is ConfigNode.Scalar { Kind: JsonValueKind.Number } scalar
            && T.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value) && value >= min && value <= max;
    }

    public override string Show(T value) => value.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>A number that is whole but too large is told how large it may be.</summary>
    public override string Hint(ConfigNode node) =>
        node is ConfigNode.Scalar { Kind: JsonValueKind.Number } scalar && BigInteger.TryParse(scalar.Text, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? $"Expected a whole number from {min} to {max}."
            : base.Hint(node);
}

/// <param name="aboveMin">The bound itself is excluded.</param>
/// <param name="belowMax">The bound itself is excluded.</param>
internal sealed class RealForm(double min = double.NegativeInfinity, double max = double.PositiveInfinity, bool aboveMin = false, bool belowMax = false) : ValueForm<double>
{
    public override string Expected
    {
        get
        {
            string low = double.IsInfinity(min) ? "" : aboveMin ? $"above {Show(min)}" : $"{Show(min)} or more";
            string high = double.IsInfinity(max) ? "" : belowMax ? $"below {Show(max)}" : $"at most {Show(max)}";
            string range = string.Join(" and ", new[] { low, high }.Where(bound => bound.Length > 0));
            return range.Length == 0 ? "a number" : $"a number, {range}";
        }
    }

    public override bool TryRead(ConfigNode node, out double value)
    {
        value = 0;
        return node is ConfigNode.Scalar { Kind: JsonValueKind.Number } scalar
            && double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
            && double.IsFinite(value)
            && (aboveMin ? value > min : value >= min)
            && (belowMax ? value < max : value <= max);
    }

    public override string Show(double value) => Number(value);

    /// <summary>Shortest text that gives the same number again, written as people do: 1e-6, not 1E-06.</summary>
    public static string Number(double value)
    {
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        int e = text.IndexOf('E');
        if (e < 0)
        {
            return text;
        }

        string digits = text[(e + 2)..].TrimStart('0');
        return $"{text[..e]}e{(text[e + 1] == '-' ? "-" : "")}{digits}";
    }
}

internal sealed class FlagForm : ValueForm<bool>
{
    public override string Expected => "true or false";

    public override bool TryRead(ConfigNode node, out bool value)
    {
        // True and False as Python writes them come from scripts that build command lines.
        string? text = Text(node);
        value = node is ConfigNode.Scalar { Kind: JsonValueKind.True } || text is "True";
        return value || node is ConfigNode.Scalar { Kind: JsonValueKind.False } || text is "False";
    }

    public override string Show(bool value) => value ? "true" : "false";
}

internal sealed class ChoiceForm<T>(params (string Name, T Value)[] choices) : ValueForm<T>
{
    private static readonly FlagForm Flag = new();

    /// <summary>Values that are taken for true and false, where another trainer's setting is a flag.</summary>
    public (T True, T False)? Flags { get; init; }

    public override string Expected => "one of " + string.Join(", ", choices.Select(choice => choice.Name));

    public override bool TryRead(ConfigNode node, out T value)
    {
        if (Flags is { } flags && Flag.TryRead(node, out bool flag))
        {
            value = flag ? flags.True : flags.False;
            return true;
        }

        string? text = Text(node);
        foreach (var choice in choices)
        {
            if (choice.Name == text)
            {
                value = choice.Value;
                return true;
            }
        }

        value = choices[0].Value;
        return false;
    }

    public override string Show(T value) => Json(choices.First(choice => EqualityComparer<T>.Default.Equals(choice.Value, value)).Name);

    public override string Hint(ConfigNode node) =>
        Text(node) is { } text && NearestName.Of(text, choices.Select(choice => choice.Name)) is { } near
            ? $"Did you mean {near}? Expected {Expected}."
            : base.Hint(node);
}

/// <param name="expected">In words.</param>
/// <param name="pattern">What the whole text must match; null: anything that is not empty.</param>
internal sealed class TextForm(string expected, string? pattern = null) : ValueForm<string>
{
    public override string Expected => expected;

    public override bool TryRead(ConfigNode node, out string value)
    {
        value = Text(node) ?? "";
        return value.Length > 0 && (pattern is null || Regex.IsMatch(value, pattern, RegexOptions.CultureInvariant));
    }

    public override string Show(string value) => Json(value);
}

internal sealed class TextsForm(string expected) : ValueForm<ImmutableArray<string>>
{
    public override string Expected => expected;

    public override bool TryRead(ConfigNode node, out ImmutableArray<string> value)
    {
        value = node is ConfigNode.List list ? [.. list.Items.Select(item => item is ConfigNode.Scalar { Kind: JsonValueKind.String } text ? text.Text : "")] : [];
        return node is ConfigNode.List && value.All(text => text.Length > 0);
    }

    public override string Show(ImmutableArray<string> value) => $"[{string.Join(", ", value.Select(Json))}]";
}

/// <summary>Seconds, or a number with its unit: "500ms", "30s", "5m", "1h".</summary>
internal sealed class DurationForm : ValueForm<TimeSpan>
{
    private static readonly TimeSpan Max = TimeSpan.FromDays(7);

    public override string Expected => "a time above 0 and at most 7 days: seconds, or a text such as \"500ms\", \"30s\", \"5m\", \"1h\"";

    public override bool TryRead(ConfigNode node, out TimeSpan value)
    {
        value = default;
        if (node is not ConfigNode.Scalar scalar)
        {
            return false;
        }

        Match match = Regex.Match(scalar.Text, @"\A(?<count>\d{1,9}(\.\d{1,6})?)(?<unit>ms|s|m|h)?\z", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture);
        bool unit = match.Groups["unit"].Success;
        if (!match.Success || unit == (scalar.Kind == JsonValueKind.Number))
        {
            return false;
        }

        double seconds = double.Parse(match.Groups["count"].ValueSpan, CultureInfo.InvariantCulture)
            * (match.Groups["unit"].Value switch { "ms" => 0.001, "m" => 60, "h" => 3600, _ => 1 });
        if (seconds <= 0 || seconds > Max.TotalSeconds)
        {
            return false;
        }

        value = TimeSpan.FromSeconds(seconds);
        return value > TimeSpan.Zero;
    }

    public override string Show(TimeSpan value) =>
        value.Ticks % TimeSpan.TicksPerSecond != 0 ? Json($"{RealForm.Number(value.TotalMilliseconds)}ms")
        : value.Ticks % TimeSpan.TicksPerMinute != 0 ? Json($"{RealForm.Number(value.TotalSeconds)}s")
        : Json($"{RealForm.Number(value.TotalMinutes)}m");
}

/// <summary>An object whose keys are somebody else's: a reward's settings, a model's <c>config.json</c>. As canonical JSON.</summary>
internal sealed class ObjectForm(string expected) : ValueForm<string>
{
    public override string Expected => expected;

    public override bool TryRead(ConfigNode node, out string value)
    {
        value = node is ConfigNode.Map ? node.ToJson(sorted: true) : "{}";
        return node is ConfigNode.Map;
    }

    public override string Show(string value) => value;
}

internal sealed class NumbersForm(string expected) : ValueForm<ImmutableSortedDictionary<string, double>>
{
    private static readonly RealForm Finite = new();

    public override string Expected => expected;

    public override bool TryRead(ConfigNode node, out ImmutableSortedDictionary<string, double> value)
    {
        var numbers = ImmutableSortedDictionary.CreateBuilder<string, double>(StringComparer.Ordinal);
        bool good = node is ConfigNode.Map;
        foreach (var (key, member) in node is ConfigNode.Map map ? map.Members : [])
        {
            good &= Finite.TryRead(member, out double number);
            numbers[key] = number;
        }

        value = numbers.ToImmutable();
        return good;
    }

    public override string Show(ImmutableSortedDictionary<string, double> value) =>
        $"{{{string.Join(", ", value.Select(pair => $"{Json(pair.Key)}: {RealForm.Number(pair.Value)}"))}}}";
}
