using System.Text.Json;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Dumps;

/// <summary>Settings of a dump's cases, under the names that TRL and verl give them.</summary>
internal static class ReplayConfig
{
    private const string OneStep = "it moves from step to step, and a case is one step: give what held in it", Rewards = "advantages are estimated from the dump's rewards: take the penalty off them",
        WholeCompletions = "a case's advantages are those of whole completions";

    /// <summary>Settings that a single update from recorded log-probs has no place for, and why. Their neutral values (null, false, 0; 1 for a discount) are accepted.</summary>
    private static readonly Dictionary<string, string> Unused = new(StringComparer.Ordinal)
    {
        ["kl_in_reward"] = Rewards,
        ["kl_penalty"] = Rewards,
        ["gamma"] = WholeCompletions,
        ["lam"] = WholeCompletions,
        ["target_kl"] = OneStep + " as beta or kl_loss_coef",
        ["horizon"] = OneStep + " as beta or kl_loss_coef",
        ["use_adaptive_entropy"] = OneStep + " as entropy_coef",
        ["entropy_target"] = OneStep + " as entropy_coef",
        ["entropy_coef_delta"] = OneStep + " as entropy_coef",
        ["entropy_coef_min"] = OneStep + " as entropy_coef",
        ["entropy_coef_max"] = OneStep + " as entropy_coef",
        ["sync_ref_model"] = OneStep + " as the dump's reference",
        ["ref_model_sync_steps"] = OneStep + " as the dump's reference",
        ["ref_model_mixup_alpha"] = OneStep + " as the dump's reference",
    };

    public static ObjectivePlan Plan(Dialect dialect, JsonElement config, PaddedDump dump)
    {
        var options = new ObjectiveOptions { MaxCompletionLength = dump.CompletionMax };
        foreach (var setting in config.EnumerateObject())
        {
            if (setting.Name is "loss_type" or "loss_mode")
                continue;
            if (Unused.TryGetValue(setting.Name, out string? reason) && !IsNeutral(setting))
                throw new FormatException($"The dump cannot be replayed: {setting.Name} is {setting.Value.GetRawText()} in one of its cases, but {reason}.");
            options = ObjectiveSettings.Set(options, setting.Name, setting.Value);
        }
        string name = config.Needed(dialect == Dialect.Verl ? "loss_mode" : "loss_type").GetString()!;
        return ObjectivePlan.For(dialect, name, options);
    }

    private static bool IsNeutral(JsonProperty setting) => setting.Value.ValueKind is JsonValueKind.Null or JsonValueKind.False
        || (setting.Value.ValueKind == JsonValueKind.Number && setting.Name switch { "kl_in_reward" => setting.Value.GetDouble() == 0, "gamma" or "lam" => setting.Value.GetDouble() == 1, _ => false });

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
