using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using GrpoActors.Core.Plans;

namespace GrpoActors.Benchmarks.ClusterScaling;

/// <summary><c>cluster-scaling</c>: tokens a second over generators, and which part of a cluster is full first.</summary>
internal static class ClusterScalingCommand
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The coordinator's limit is measured with so many generators that ask at once.</summary>
    private const int Crowd = 256;

    private static readonly Option<int>
        Generators = Number("--generators", "Most generators; 1, 2, 4, ... up to so many.", 256),
        Scorers = Number("--scorers", "Scorers.", 16),
        GroupsPerStep = Number("--groups-per-step", "Groups of a step.", 256),
        Completions = Number("--completions", "Completions of a group.", 8),
        Tokens = Number("--tokens", "Tokens of a completion.", 256),
        Steps = Number("--steps", "Steps of each simulated run, of which the first two and the last are not counted.", 5),
        GroupsPerTicket = Number("--groups-per-ticket", "Most groups that a generator takes at once.", 1);

    private static readonly Option<double>
        SampleMs = Figure("--sample-ms", "A generator's milliseconds a group.", 11_600),
        TokensPerSecond = Figure("--model-tokens-per-second", "A generator's tokens a second, instead of --sample-ms; 0: that one.", 0),
        Spread = Figure("--spread", "A group takes up to this part more or less than the mean.", 0.3),
        ScoreMs = Figure("--score-ms", "A scorer's milliseconds for one reward on a group.", 10),
        TrainMs = Figure("--train-ms", "The trainer's milliseconds for a group.", 13_500),
        WeightsMb = Figure("--weights-mb", "Megabytes of a version's weights.", 538),
        LinkGbit = Figure("--link-gbit", "Gigabits a second of the trainer's network link; 0: no limit.", 10),
        MessageUs = Figure("--message-us", "The coordinator's microseconds a message for what is not measured here: network and mailbox.", 100),
        LatencyMs = Figure("--latency-ms", "Milliseconds from node to node.", 0.5);

    private static readonly Option<bool> AsJson = new("--json") { Description = "JSON instead of tables." };

    public static Command Build()
    {
        var command = new Command(
            "cluster-scaling",
            "The pipeline's stages on virtual time with 1, 2, 4, ... generators. Workers cost what the options say (the defaults are SmolLM2-135M on nodes of two cores, docs/performance.md); what the coordinator decides, folds, encodes and appends to SQLite is measured as it runs.")
        {
            Generators, Scorers, GroupsPerStep, Completions, Tokens, Steps, GroupsPerTicket,
            SampleMs, TokensPerSecond, Spread, ScoreMs, TrainMs, WeightsMb, LinkGbit, MessageUs, LatencyMs, AsJson,
        };
        command.SetAction(parsed => Run(parsed));
        return command;
    }

    private static async Task Run(ParseResult parsed)
    {
        ClusterLoad load = Load(parsed);
        int scorers = parsed.GetValue(Scorers);
        await SimulatedCluster.Run(load.CoordinatorAlone(), new OrderPlan(OrderKind.Canonical, 1, 5), Crowd, scorers); // compiles the code
        OrderScaling[] orders =
        [
            await Measure("canonical order, lag 0", load, new OrderPlan(OrderKind.Canonical, 0, 5), parsed.GetValue(Generators), scorers),
            await Measure("canonical order, lag 1", load, new OrderPlan(OrderKind.Canonical, 1, 5), parsed.GetValue(Generators), scorers),
            await Measure("arrival order, lag 1", load, new OrderPlan(OrderKind.Arrival, 1, 5), parsed.GetValue(Generators), scorers),
        ];
        TextWriter to = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(AsJson))
        {
            await to.WriteLineAsync(JsonSerializer.Serialize(orders, Json));
            return;
        }

        foreach (OrderScaling order in orders)
        {
            order.Write(to);
        }
    }

    private static ClusterLoad Load(ParseResult parsed)
    {
        int tokens = parsed.GetValue(Completions) * parsed.GetValue(Tokens);
        double pace = parsed.GetValue(TokensPerSecond);
        return new ClusterLoad(
            parsed.GetValue(GroupsPerStep), parsed.GetValue(Completions), parsed.GetValue(Tokens), Math.Max(4, parsed.GetValue(Steps)), parsed.GetValue(GroupsPerTicket),
            TimeSpan.FromMilliseconds(pace > 0 ? 1000 * tokens / pace : parsed.GetValue(SampleMs)), parsed.GetValue(Spread), TimeSpan.FromMilliseconds(parsed.GetValue(ScoreMs)),
            TimeSpan.FromMilliseconds(parsed.GetValue(TrainMs)), parsed.GetValue(WeightsMb) * 1e6, parsed.GetValue(LinkGbit) * 1e9 / 8, TimeSpan.FromMicroseconds(parsed.GetValue(MessageUs)),
            TimeSpan.FromMilliseconds(parsed.GetValue(LatencyMs)));
    }

    private static async Task<OrderScaling> Measure(string name, ClusterLoad load, OrderPlan order, int most, int scorers)
    {
        var paces = new List<ClusterPace>();
        for (int generators = 1; generators <= most; generators *= 2)
        {
            paces.Add(await SimulatedCluster.Run(load, order, generators, scorers));
        }

        return new OrderScaling(name, load, scorers, paces, await SimulatedCluster.Run(load.CoordinatorAlone(), order, Crowd, scorers));
    }

    private static Option<int> Number(string name, string description, int usual) => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => usual };

    private static Option<double> Figure(string name, string description, double usual)
    {
        var option = new Option<double>(name) { Description = description, HelpName = "X", DefaultValueFactory = _ => usual };
        option.CustomParser = result => double.Parse(result.Tokens[0].Value, CultureInfo.InvariantCulture);
        return option;
    }
}

/// <summary>One order's figures.</summary>
/// <param name="Alone">With workers that cost nothing: the coordinator's limit.</param>
internal sealed record OrderScaling(string Order, ClusterLoad Load, int Scorers, IReadOnlyList<ClusterPace> Paces, ClusterPace Alone)
{
    /// <summary>Of one generator that never waits.</summary>
    public double GeneratorTokensPerSecond => Load.TokensPerGroup / Load.SampleGroup.TotalSeconds;

    /// <summary>How many generators each part can keep up with, were it alone; infinite where it costs nothing.</summary>
    public IReadOnlyDictionary<string, double> SaturatedAt => new Dictionary<string, double>(StringComparer.Ordinal)
    {
        ["coordinator"] = Alone.TokensPerSecond / GeneratorTokensPerSecond,
        ["trainer"] = Load.SampleGroup / Load.TrainGroup,
        // A step is n fetches on one link, beside the sampling of its groups on n generators.
        ["weights' link"] = Math.Sqrt(Load.SampleGroup.TotalSeconds * Load.GroupsPerStep / (Load.WeightsBytes / Load.LinkBytesPerSecond)),
        ["scorers"] = Load.SampleGroup / (Load.ScoreGroup * ClusterLoad.Rewards) * Scorers,
    };

    public void Write(TextWriter to)
    {
        string[][] cells =
        [
            [Order, "tokens/s", "a generator's", "generators", "trainer", "coordinator", "weights' link", "scorers", "full"],
            .. Paces.Select(pace => new[]
            {
                $"{pace.Generators}", Text(pace.TokensPerSecond), $"{pace.TokensPerSecond / GeneratorTokensPerSecond:0.0} x", Percent(pace.Sampling), Percent(pace.Trainer), Percent(pace.Coordinator),
                Percent(pace.Link), Percent(pace.Scoring), pace.Bottleneck ?? "in turns",
            }),
        ];
        MarkdownTable.Write(to, cells, column => column == 8);
        long groups = Alone.Tokens / Load.TokensPerGroup;
        CoordinatorTime spent = Alone.Spent;
        to.WriteLine();
        to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The coordinator alone passes {Alone.TokensPerSecond:#,##0} tokens/s; of a group's {Each(spent.Total)} ms, messages take {Each(spent.Receiving)}, stages and fold {Each(spent.Deciding)}, encoding and appending {Each(spent.Appending)} ({(double)spent.Appends / groups:0.00} appends a group)."));
        to.WriteLine($"A generator gives {Text(GeneratorTokensPerSecond)} tokens/s. Full at so many generators: {string.Join(", ", SaturatedAt.Select(part => $"{part.Key} {(double.IsFinite(part.Value) ? Text(part.Value) : "never")}"))}.");
        to.WriteLine();

        double Each(TimeSpan time) => Math.Round(time.TotalMilliseconds / groups, 3);
    }

    private static string Percent(double share) => $"{100 * share:0} %";

    private static string Text(double value) => value >= 100 ? value.ToString("#,##0", CultureInfo.InvariantCulture) : value.ToString("0.0", CultureInfo.InvariantCulture);
}
