namespace GrpoActors.Core.Objectives;

/// <summary>Metrics of an update under the names of the dialect.</summary>
public sealed class ObjectiveMetrics
{
    private enum Kind
    {
        Sum,
        Mean,
        VerlMean,
        Min,
        Max,
    }

    private readonly record struct Entry(Kind Kind, double Sum, double Weight);

    private readonly SortedDictionary<string, Entry> entries = new(StringComparer.Ordinal);

    internal void Sum(string name, double value) => Put(name, new(Kind.Sum, value, 1));

    /// <summary>sum / max(weight, 1) in the end; verl's epsilon in the denominator if <paramref name="verl"/>.</summary>
    internal void Mean(string name, double sum, double weight, bool verl = false) => Put(name, new(verl ? Kind.VerlMean : Kind.Mean, sum, weight));

    internal void Min(string name, double value) => Put(name, new(Kind.Min, value, 1));

    internal void Max(string name, double value) => Put(name, new(Kind.Max, value, 1));

    private void Put(string name, Entry x) => entries.Add(name, x);

    /// <summary>The values, by name. Derived ones (effective sample size, chi-square) are included.</summary>
    public SortedDictionary<string, double> Values()
    {
        var values = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var (name, x) in entries)
        {
            values[name] = x.Kind switch
            {
                Kind.Mean => x.Sum / Math.Max(x.Weight, 1),
                Kind.VerlMean => x.Sum / (x.Weight + Objective.VerlEpsilon),
                _ => x.Sum,
            };
        }
        Derive(values);
        return values;
    }

    private static void Derive(SortedDictionary<string, double> values)
    {
        foreach (string raw in values.Keys.Where(name => name.EndsWith(SquareSuffix, StringComparison.Ordinal)).ToArray())
        {
            string name = raw[..^SquareSuffix.Length];
            double square = values[raw], mean = values[name + "_mean"];
            values.Remove(raw);
            values[name + "_std"] = Math.Sqrt(Math.Max(0, square - mean * mean));
            values[name + "_eff_sample_size"] = square > 0 ? mean * mean / square : 0;
        }
    }

    /// <summary>Marks the mean square that deviation and effective sample size are derived from.</summary>
    internal const string SquareSuffix = "_mean_square";
}
