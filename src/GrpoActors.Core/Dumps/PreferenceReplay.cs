using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Preferences;

namespace GrpoActors.Core.Dumps;

/// <summary>Replays the preference part of a dump: DPO's relatives by TRL, and group-robust steps.</summary>
internal static class PreferenceReplay
{
    public static IEnumerable<ReplayedCase> Cases(JsonElement root, PaddedDump dump)
    {
        foreach (var x in root.Needed("cases").EnumerateArray())
            yield return Case(dump, x);
        if (!root.TryGetProperty("group_robust", out var robust))
            yield break;
        int[] groups = [.. root.Needed("group").EnumerateArray().Select(g => g.GetInt32())];
        foreach (var x in robust.EnumerateArray())
        {
            foreach (var step in GroupRobustSteps(dump, groups, x))
                yield return step;
        }
    }

    private static PreferenceBatch<double> Batch(PaddedDump dump) =>
        new() { RowStarts = dump.RowStarts, LogProbs = dump.Tokens("new"), Reference = dump.Tokens("reference"), Mask = dump.Mask };

    private static ReplayedCase Case(PaddedDump dump, JsonElement x)
    {
        var config = x.Needed("config");
        var batch = Batch(dump);
        var gradient = new double[dump.RowStarts[^1]];
        var plan = Plan(config);
        var result = PreferenceObjective.Evaluate(plan, batch, PreferenceTotals.Of(batch), gradient);
        // Discopop divides by a temperature of 0.05: the float32 rounding of one summed log-prob moves its gradient by more than 1e-6 of the largest entry.
        double tolerance = plan.Losses.Any(part => part.Loss == PreferenceLoss.Discopop) ? 2 * ReplayedCase.Float32 : ReplayedCase.Float32;
        return new(config.GetRawText(), ObjectiveReplay.Distance(result.Loss, x.Needed("loss").GetDouble()),
            ObjectiveReplay.Relative(gradient, dump.Pack(x.Needed("gradient")), 0), null, null, null)
        { Tolerance = tolerance };
    }

    private static IEnumerable<ReplayedCase> GroupRobustSteps(PaddedDump dump, int[] groups, JsonElement x)
    {
        var config = x.Needed("config");
        var plan = new GroupRobustPlan
        {
            Ipo = config.Needed("loss").GetString() == "ipo",
            Beta = config.Needed("beta").GetDouble(),
            Eta = config.Needed("eta").GetDouble(),
            DivideByTotalCount = config.Needed("normalise").GetString() == "total count",
            GroupSizes = [.. Numbers(config.Needed("group_sizes"))],
        };
        var weights = GroupRobust.Start(plan);
        int number = 0;
        foreach (var step in x.Needed("steps").EnumerateArray())
        {
            var gradient = new double[dump.RowStarts[^1]];
            var result = GroupRobust.Evaluate(plan, Batch(dump), groups, weights, gradient);
            weights = result.Weights;
            double ofWeights = ObjectiveReplay.Relative([.. weights], Numbers(step.Needed("weights")), 1);
            double ofLosses = ObjectiveReplay.Relative([.. result.GroupLoss], Numbers(step.Needed("group_loss")), 1);
            yield return new($"group robust, step {++number}: {config.GetRawText()}", ObjectiveReplay.Distance(result.Loss, step.Needed("loss").GetDouble()),
                ObjectiveReplay.Relative(gradient, dump.Pack(step.Needed("gradient")), 0), Math.Max(ofWeights, ofLosses), ofWeights > ofLosses ? "weights" : "group_loss", null);
        }
    }

    private static double[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(v => v.GetDouble())];

    private static PreferencePlan Plan(JsonElement config)
    {
        var plan = new PreferencePlan();
        ImmutableArray<PreferenceLoss> losses = [PreferenceLoss.Sigmoid];
        double[] weights = [];
        foreach (var setting in config.EnumerateObject())
        {
            var v = setting.Value;
            if (v.ValueKind == JsonValueKind.Null)
                continue;
            switch (setting.Name)
            {
                case "loss_type":
                    losses = v.ValueKind == JsonValueKind.Array ? [.. v.EnumerateArray().Select(x => PreferencePlan.Named(x.GetString()!))] : [PreferencePlan.Named(v.GetString()!)];
                    break;
                case "loss_weights":
                    weights = Numbers(v);
                    break;
                case "beta":
                    plan = plan with { Beta = v.GetDouble() };
                    break;
                case "label_smoothing":
                    plan = plan with { LabelSmoothing = v.GetDouble() };
                    break;
                case "ld_alpha":
                    plan = plan with { LdAlpha = v.GetDouble() };
                    break;
                case "discopop_tau":
                    plan = plan with { DiscopopTau = v.GetDouble() };
                    break;
                case "f_alpha_divergence_coef":
                    plan = plan with { AlphaDivergenceCoef = v.GetDouble() };
                    break;
                case "f_divergence_type":
                    plan = plan with { Divergence = Enum.Parse<FDivergence>(v.GetString()!.Replace("_", ""), ignoreCase: true) };
                    break;
                default:
                    throw new FormatException($"The setting '{setting.Name}' of a case of preference pairs is not known.");
            }
        }
        return plan with { Losses = [.. losses.Select((loss, i) => (loss, i < weights.Length ? weights[i] : 1.0))] };
    }
}
