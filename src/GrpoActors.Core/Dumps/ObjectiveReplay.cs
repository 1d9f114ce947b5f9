using System.Text.Json;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Dumps;

/// <summary>How far one case of a dump is from what is computed here.</summary>
/// <param name="Case">Its settings, as the dump writes them.</param>
/// <param name="Loss">|ours - theirs| / max(1, |theirs|).</param>
/// <param name="Gradient">Largest |ours - theirs| over the tokens, divided by the largest |theirs|; null if the dump has none.</param>
/// <param name="Metrics">Largest |ours - theirs| / max(1, |theirs|) over the metrics of the dump; null if it has none.</param>
/// <param name="WorstMetric">Name of that metric.</param>
/// <param name="Advantages">Largest |ours - theirs| over the tokens, divided by max(1, the largest |theirs|); null if the dump has none.</param>
public sealed record ReplayedCase(string Case, double? Loss, double? Gradient, double? Metrics, string? WorstMetric, double? Advantages)
{
    /// <summary>What rounding alone explains: 1e-12 where the dump was computed in float64, 1e-6 in float32, more where the case says why.</summary>
    public double Tolerance { get; init; } = Float64;

    internal const double Float64 = 1e-12, Float32 = 1e-6;

    /// <summary>No further away than <paramref name="tolerance"/>; null: than the case's own.</summary>
    public bool Within(double? tolerance) => Largest <= (tolerance ?? Tolerance);

    public bool ComparesNothing => Loss is null && Gradient is null && Metrics is null && Advantages is null;

    /// <summary>The largest of the four.</summary>
    public double Largest => new[] { Loss, Gradient, Metrics, Advantages }.Max(x => x is double difference ? double.IsNaN(difference) ? double.PositiveInfinity : difference : 0);
}

/// <summary>A replayed dump.</summary>
/// <param name="Source">Which library wrote it, with its version.</param>
public sealed record ReplayReport(string Source, IReadOnlyList<ReplayedCase> Cases)
{
    /// <summary>The largest difference of any case.</summary>
    public double Largest => Cases.Count == 0 ? 0 : Cases.Max(c => c.Largest);

    /// <summary>True when no case is further away than <paramref name="tolerance"/>; null: than its own.</summary>
    public bool Within(double? tolerance = null) => Cases.All(c => c.Within(tolerance));
}

/// <summary>Replays dumps of log-probs that TRL or verl (or their users) recorded, and says how far our numbers are from theirs.</summary>
/// <remarks>
/// A dump is a JSON object. Shared: <c>group_size</c>, <c>max_completion_length</c> (by default as wide as the rows are padded), and per row and token (padded) <c>mask</c>,
/// <c>old</c> (what the ratio divides by: with use_decoupled_loss the proximal policy), <c>new</c>, <c>reference</c>, <c>sampling</c> (what the sampler recorded), <c>entropy</c>;
/// <c>rewards</c> a row; <c>cases</c>: {<c>config</c>, <c>loss</c>, <c>gradient</c>, <c>metrics</c>, <c>advantages</c>}.
/// A key <c>trl</c>, <c>verl</c> or <c>pairs</c> (preference pairs) says which kind it is.
/// </remarks>
public static class ObjectiveReplay
{
    /// <exception cref="FormatException">The text is no dump, has nothing to compare, or has a setting that is not known or that a replay cannot follow; one sentence says where.</exception>
    public static ReplayReport Replay(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return Replay(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new FormatException($"The dump is not JSON: {JsonFault.Words(e)}.", e);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or NonFiniteTokenException)
        {
            throw new FormatException($"The dump cannot be replayed: {e.Message}", e);
        }
    }

    private static ReplayReport Replay(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw new FormatException($"The dump is a JSON {root.ValueKind}, expected an object with 'cases'.");
        string library = root.TryGetProperty("verl", out var version) ? "verl" : root.TryGetProperty("trl", out version) ? "trl"
            : throw new FormatException("The dump names no library: a key 'trl' or 'verl' with its version was expected.");
        string source = $"{library} {version}";
        var dump = new PaddedDump(root);
        if (!dump.Mask.Contains(true))
            throw new FormatException("The dump has no token that counts: there is nothing to compare.");
        List<ReplayedCase> cases = root.TryGetProperty("pairs", out _) ? [.. PreferenceReplay.Cases(root, dump)] : PolicyCases(library, root, dump);
        if (cases.Count == 0)
            throw new FormatException("The dump has no case: there is nothing to compare.");
        if (cases.Find(x => x.ComparesNothing) is { } empty)
            throw new FormatException($"The dump's case {empty.Case} has neither loss, gradient, metrics nor advantages: there is nothing to compare.");
        return new(source, cases);
    }

    private static List<ReplayedCase> PolicyCases(string library, JsonElement root, PaddedDump dump)
    {
        var dialect = library == "verl" ? Dialect.Verl : Dialect.Trl;
        var cases = new List<ReplayedCase>();
        foreach (var x in root.Needed("cases").EnumerateArray())
            cases.Add(Case(dialect, dump, x) with { Tolerance = library == "verl" ? ReplayedCase.Float64 : ReplayedCase.Float32 });
        if (root.TryGetProperty("advantages", out var advantages))
        {
            foreach (var estimator in advantages.EnumerateObject())
                cases.Add(Estimator(dump, root, estimator));
        }
        if (root.TryGetProperty("value_cases", out var values))
        {
            foreach (var x in values.EnumerateArray())
                cases.Add(Value(dump, x));
        }
        return cases;
    }

    private static ReplayedCase Case(Dialect dialect, PaddedDump dump, JsonElement x)
    {
        var config = x.Needed("config");
        var plan = ReplayConfig.Plan(dialect, config, dump);
        if (dump.Rewards.Length != dump.Rows)
            throw new FormatException($"The dump has {dump.Rewards.Length} rewards for {dump.Rows} rows.");
        double[] rowAdvantages = new double[dump.Rows];
        GroupAdvantages.Estimate(plan.Advantages, dump.Rewards, dump.Scorable, dump.Groups, rowAdvantages);
        bool sampling = dump.Has("sampling") || plan.Mismatch is not null || plan.Rejections.Length > 0 || plan.OffPolicyMaskThreshold is not null;
        var batch = new ObjectiveBatch<double>
        {
            RowStarts = dump.RowStarts,
            LogProbs = dump.Tokens("new"),
            Old = dump.Tokens(plan.Decoupled ? "sampling" : "old"),
            Proximal = plan.Decoupled ? dump.Tokens("old") : [],
            Reference = plan.NeedsReference ? dump.Tokens("reference") : [],
            Sampling = sampling && !plan.Decoupled ? dump.Tokens("sampling") : [],
            Entropies = dump.Has("entropy") ? dump.Tokens("entropy") : [],
            Mask = dump.Mask,
            Advantages = rowAdvantages,
        };
        var survey = new StepSurvey(plan);
        survey.Add(batch);
        var gradient = new double[dump.RowStarts[^1]];
        var result = Objective.Evaluate(plan, batch, survey.Totals(), gradient, plan.NeedsEntropyGradient ? new double[gradient.Length] : []);
        var (metric, worst) = x.TryGetProperty("metrics", out var metrics) ? Metrics(metrics, result.Metrics.Values()) : (null, null);
        return new(config.GetRawText(),
            x.TryGetProperty("loss", out var loss) ? Distance(result.Loss, loss.GetDouble()) : null,
            x.TryGetProperty("gradient", out var expected) ? Relative(gradient, dump.Pack(expected), 0) : null,
            metric, worst,
            x.TryGetProperty("advantages", out var advantages) ? Relative(rowAdvantages, [.. advantages.EnumerateArray().Select(a => a.GetDouble())], 1) : null);
    }

    private static ReplayedCase Estimator(PaddedDump dump, JsonElement root, JsonProperty estimator)
    {
        var (plan, inputs) = ReplayConfig.Estimator(estimator.Name, dump);
        var result = AdvantageEstimation.Estimate(plan, inputs);
        double[] expected = dump.Pack(estimator.Value), ours = result.PerToken ? result.Advantages : dump.Broadcast(result.Advantages);
        double difference = Relative(dump.Masked(ours), dump.Masked(expected), 1);
        string returns = estimator.Name.Split('(')[0] + "_returns";
        if (result.Returns.Length > 0 && root.TryGetProperty("returns", out var all) && all.TryGetProperty(returns, out var theirs))
            difference = Math.Max(difference, Relative(dump.Masked(result.Returns), dump.Masked(dump.Pack(theirs)), 1));
        return new($"advantages: {estimator.Name}", null, null, null, null, difference);
    }

    private static ReplayedCase Value(PaddedDump dump, JsonElement x)
    {
        var config = x.Needed("config");
        var aggregation = ObjectivePlan.For(Dialect.Verl, "vanilla", new() { LossAggMode = ObjectiveSettings.Aggregation(config.Needed("loss_agg_mode").GetString()!) }).Aggregation;
        var gradient = new double[dump.RowStarts[^1]];
        var (loss, clipped) = ValueLoss.Evaluate(aggregation, config.Needed("cliprange_value").GetDouble(), dump.RowStarts, dump.Mask,
            dump.Tokens("value_predictions"), dump.Tokens("values"), dump.Tokens("value_returns"), dump.Totals, gradient);
        return new($"value loss: {config.GetRawText()}", Distance(loss, x.Needed("loss").GetDouble()), Relative(gradient, dump.Pack(x.Needed("gradient")), 0),
            Distance(clipped, x.Needed("clipfrac").GetDouble()), "clipfrac", null);
    }

    private static (double? Largest, string? Name) Metrics(JsonElement expected, SortedDictionary<string, double> ours)
    {
        double? largest = null;
        string? name = null;
        foreach (var metric in expected.EnumerateObject())
        {
            double difference = ours.TryGetValue(metric.Name, out double value) ? Distance(value, metric.Value.GetDouble()) : double.PositiveInfinity;
            if (largest is null || !(difference <= largest)) // not a number is further than any
                (largest, name) = (difference, metric.Name);
        }
        return (largest, name);
    }

    internal static double Distance(double ours, double theirs) => Math.Abs(ours - theirs) / Math.Max(1, Math.Abs(theirs));

    /// <summary>Largest difference over the largest entry of theirs, or over <paramref name="scaleMin"/> if that is larger.</summary>
    internal static double Relative(ReadOnlySpan<double> ours, ReadOnlySpan<double> theirs, double scaleMin)
    {
        if (ours.Length != theirs.Length)
            throw new FormatException($"The dump has {theirs.Length} entries where {ours.Length} were expected.");
        double difference = 0, scale = scaleMin;
        for (int i = 0; i < ours.Length; i++)
        {
            difference = Math.Max(difference, Math.Abs(ours[i] - theirs[i]));
            scale = Math.Max(scale, Math.Abs(theirs[i]));
        }
        return scale > 0 ? difference / scale : difference;
    }
}

/// <summary>Access to a dump that says which key is missing.</summary>
internal static class DumpKeys
{
    public static JsonElement Needed(this JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value
        : throw new FormatException($"The dump lacks the key '{name}'{(element.TryGetProperty("cases", out _) ? "" : " in one of its cases")}.");
}

/// <summary>The rows of a dump, unpadded.</summary>
internal sealed class PaddedDump
{
    private readonly JsonElement root;

    public PaddedDump(JsonElement root)
    {
        this.root = root;
        int[] lengths = [.. root.Needed("mask").EnumerateArray().Select(LastCounted)];
        RowStarts = new int[lengths.Length + 1];
        for (int i = 0; i < lengths.Length; i++)
            RowStarts[i + 1] = RowStarts[i] + lengths[i];
        CompletionMax = root.TryGetProperty("max_completion_length", out var longest) ? longest.GetInt32()
            : root.Needed("mask").EnumerateArray().Select(row => row.GetArrayLength()).DefaultIfEmpty(0).Max();
        Mask = [.. Tokens("mask").Select(m => m != 0)];
        if (root.TryGetProperty("rewards", out var rewards))
        {
            Scorable = [.. rewards.EnumerateArray().Select(r => r.ValueKind == JsonValueKind.Number)];
            Rewards = [.. rewards.EnumerateArray().Select(r => r.ValueKind == JsonValueKind.Number ? r.GetDouble() : 0)];
        }
        GroupSize = root.TryGetProperty("group_size", out var size) ? size.GetInt32() : 1;
        Groups = [.. Enumerable.Range(0, Rows).Select(i => i / GroupSize)];
        int counted = Mask.Count(m => m);
        Totals = new(counted, Rows, Enumerable.Range(0, Rows).Count(i => Mask.AsSpan(RowStarts[i]..RowStarts[i + 1]).Contains(true)));
    }

    public int[] RowStarts { get; }

    public bool[] Mask { get; }

    public double[] Rewards { get; } = [];

    public bool[] Scorable { get; } = [];

    public int[] Groups { get; }

    public int GroupSize { get; }

    public StepTotals Totals { get; }

    /// <summary>Longest completion that the library allowed; where the dump does not say, what its rows are padded to.</summary>
    public int CompletionMax { get; }

    public int Rows => RowStarts.Length - 1;

    public bool Has(string name) => root.TryGetProperty(name, out _);

    public double[] Tokens(string name) => Pack(root.Needed(name));

    /// <summary>One number a row.</summary>
    public double[] Column(string name) => [.. root.Needed(name).EnumerateArray().Select(x => x.GetDouble())];

    /// <summary>A padded matrix, packed: what lies behind a row's last counted token is left out.</summary>
    public double[] Pack(JsonElement padded)
    {
        var packed = new double[RowStarts[^1]];
        if (padded.GetArrayLength() != Rows)
            throw new FormatException($"The dump has {padded.GetArrayLength()} rows where {Rows} were expected.");
        int row = 0;
        foreach (var values in padded.EnumerateArray())
        {
            int t = RowStarts[row], end = RowStarts[++row];
            if (values.GetArrayLength() < end - t)
                throw new FormatException($"Row {row - 1} of the dump has {values.GetArrayLength()} entries where {end - t} tokens were expected.");
            foreach (var value in values.EnumerateArray().Take(end - t))
                packed[t++] = value.GetDouble();
        }
        return packed;
    }

    public double[] Masked(double[] values)
    {
        for (int t = 0; t < values.Length; t++)
            values[t] = Mask[t] ? values[t] : 0;
        return values;
    }

    public double[] Broadcast(double[] rows)
    {
        var tokens = new double[RowStarts[^1]];
        for (int i = 0; i < Rows; i++)
            tokens.AsSpan(RowStarts[i]..RowStarts[i + 1]).Fill(rows[i]);
        return tokens;
    }

    private static int LastCounted(JsonElement row)
    {
        int length = 0, at = 0;
        foreach (var m in row.EnumerateArray())
            (at, length) = (at + 1, m.GetDouble() != 0 ? at + 1 : length);
        return length;
    }
}
