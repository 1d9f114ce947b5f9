using System.Text.Json;
using GrpoActors.Core.Advantages;

namespace GrpoActors.Core.Objectives;

/// <summary>Settings of a dump's cases, under the names that TRL and verl give them.</summary>
internal static class ReplayConfig
{
    public static ObjectivePlan Plan(Dialect dialect, JsonElement config, PaddedDump dump)
    {
        var options = new ObjectiveOptions { MaxCompletionLength = dump.Width };
        foreach (var setting in config.EnumerateObject())
        {
            if (setting.Name is not ("loss_type" or "loss_mode"))
                options = ObjectiveSettings.Set(options, setting.Name, setting.Value);
        }
        string name = config.Needed(dialect == Dialect.Verl ? "loss_mode" : "loss_type").GetString()!;
        return ObjectivePlan.For(dialect, name, options);
    }

    /// <summary>An estimator by the name of verl's dump; in brackets its settings: <c>gae(gamma=.98,lam=.95)</c>.</summary>
    public static (AdvantagePlan Plan, AdvantageInputs Inputs) Estimator(string written, PaddedDump dump)
    {
        string[] parts = written.Split('(', ')', ',');
        double Setting(string key, double otherwise) =>
            parts.Skip(1).Where(p => p.StartsWith(key + "=", StringComparison.Ordinal)).Select(p => double.Parse(p[(key.Length + 1)..])).DefaultIfEmpty(otherwise).First();
        var verl = AdvantagePlan.Verl with { Gamma = Setting("gamma", 1), Lambda = Setting("lam", 1) };
        var inputs = new AdvantageInputs { RowStarts = dump.RowStarts, Mask = dump.Mask, Groups = dump.Groups, Rewards = dump.Rewards };
        return parts[0] switch
        {
            "grpo" => (verl, inputs),
            "grpo_nostd" => (verl with { Scale = AdvantageScale.None }, inputs),
            "grpo_singleton_groups" => (verl, inputs with { Groups = [.. Enumerable.Range(0, dump.Rows)] }),
            "rloo" => (verl with { Estimator = AdvantageEstimator.LeaveOneOut }, inputs),
            "opo" => (verl with { Estimator = AdvantageEstimator.Opo }, inputs),
            "reinforce_plus_plus" => (verl with { Estimator = AdvantageEstimator.ReinforcePlusPlus }, inputs),
            "reinforce_plus_plus_baseline" => (verl with { Estimator = AdvantageEstimator.ReinforcePlusPlusBaseline }, inputs),
            "gae" => (verl with { Estimator = AdvantageEstimator.Gae }, inputs with { Values = dump.Tokens("values") }),
            "remax" => (verl with { Estimator = AdvantageEstimator.ReMax }, inputs with { Baselines = dump.Column("second_reward") }),
            "grpo_passk" => (verl with { Estimator = AdvantageEstimator.PassAtK }, inputs),
            "gdpo" => (verl with { Estimator = AdvantageEstimator.Gdpo }, inputs with { RewardColumns = [dump.Rewards, dump.Column("second_reward")], RewardWeights = [1, 0.5] }),
            _ => throw new FormatException($"The estimator '{written}' of the dump is not known."),
        };
    }
}
