using System.Text;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Preferences;

/// <summary>One token of one output, as the unified paradigm looks at it.</summary>
/// <param name="LogProb">Of the token under the policy in training.</param>
/// <param name="Old">Under the policy that sampled.</param>
/// <param name="Reference">Under the reference policy.</param>
/// <param name="Advantage">1 or 0 (right or wrong) for RFT; an advantage for PPO and GRPO.</param>
/// <param name="RejectedLogProb">DPO: log-prob of the one token of the rejected output.</param>
/// <param name="RejectedReference">DPO: the same under the reference policy.</param>
public readonly record struct ParadigmPoint(double LogProb, double Old, double Reference, double Advantage, double RejectedLogProb, double RejectedReference);

/// <summary>A row of DeepSeekMath's table 10: where the data come from, what the reward is, and what multiplies grad log pi of a token.</summary>
/// <param name="Formula">The gradient coefficient as the paper writes it.</param>
/// <param name="Written">That formula, evaluated.</param>
/// <param name="FromCode">The coefficient that training uses, as the objective gives it: -dLoss/dLogProb of an output of one token.</param>
public sealed record ParadigmRow(string Method, string DataSource, string Reward, string Formula, Func<ParadigmPoint, double> Written, Func<ParadigmPoint, double> FromCode);

/// <summary>SFT, RFT, online RFT, DPO, PPO and GRPO as one equation: grad J = E[ 1/|o| sum_t GC(q, o, t) grad log pi(o_t | q, o_&lt;t) ] (arXiv:2402.03300, section 5.2.1).</summary>
public static class UnifiedParadigm
{
    private const double Beta = 0.1, KlCoefficient = 0.04;

    private static readonly ObjectivePlan Reinforce = ObjectivePlan.For(Dialect.Paper, "reinforce");
    private static readonly ObjectivePlan Ppo = ObjectivePlan.For(Dialect.Paper, "ppo", new() { Beta = 0 });
    private static readonly ObjectivePlan Grpo = ObjectivePlan.For(Dialect.Paper, "grpo", new() { Beta = KlCoefficient });

    /// <summary>The rows, each with its formula and the code that it must equal.</summary>
    public static IReadOnlyList<ParadigmRow> Rows { get; } =
    [
        new("SFT", "q, o ~ P_sft(Q, O)", "-", "1", _ => 1, Supervised),
        new("RFT", "q ~ P_sft(Q), o ~ pi_sft(O|q)", "rule", "I(o): 1 if the answer is right, else 0", x => x.Advantage, x => Policy(Reinforce, x)),
        new("Online RFT", "q ~ P_sft(Q), o ~ pi_theta(O|q)", "rule", "I(o): 1 if the answer is right, else 0", x => x.Advantage, x => Policy(Reinforce, x)),
        new("DPO", "q ~ P_sft(Q), o+, o- ~ pi_sft(O|q)", "rule", "beta sigmoid(beta log(pi(o-)/ref(o-)) - beta log(pi(o+)/ref(o+))) for o+, minus that for o-", DpoWritten, Dpo),
        new("PPO", "q ~ P_sft(Q), o ~ pi_theta(O|q)", "model", "A_t, times pi/pi_old off-policy, 0 where clipped", x => x.Advantage * Clipped(x), x => Policy(Ppo, x)),
        new("GRPO", "q ~ P_sft(Q), {o_i} ~ pi_theta(O|q)", "model or rule", "A_i,t (times pi/pi_old off-policy, 0 where clipped) + beta (ref/pi - 1)",
            x => x.Advantage * Clipped(x) + KlCoefficient * (Transcendental.Exp(x.Reference - x.LogProb) - 1), x => Policy(Grpo, x)),
    ];

    /// <summary>The table in Markdown.</summary>
    public static string Markdown()
    {
        var text = new StringBuilder("| method | data source | reward | gradient coefficient |\n| --- | --- | --- | --- |\n");
        foreach (var row in Rows)
            text.Append("| ").Append(row.Method).Append(" | ").Append(row.DataSource.Replace("|", "\\|")).Append(" | ").Append(row.Reward).Append(" | ").Append(row.Formula).Append(" |\n");
        return text.ToString();
    }

    private static double Clipped(ParadigmPoint x)
    {
        double c = Transcendental.Exp(x.LogProb - x.Old);
        return (x.Advantage > 0 && c > 1.2) || (x.Advantage < 0 && c < 0.8) ? 0 : c;
    }

    private static double Policy(ObjectivePlan plan, ParadigmPoint x)
    {
        var gradient = new double[1];
        Objective.Evaluate(plan, new ObjectiveBatch<double>
        {
            RowStarts = [0, 1],
            LogProbs = [x.LogProb],
            Old = [x.Old],
            Reference = plan.NeedsReference ? [x.Reference] : [],
            Advantages = [x.Advantage],
        }, new(1, 1, 1), gradient, []);
        return -gradient[0];
    }

    private static double Supervised(ParadigmPoint x)
    {
        var gradient = new double[1];
        SupervisedObjective.Evaluate<double>([0, 1], [x.LogProb], [], new(1, 1, 1), gradient);
        return -gradient[0];
    }

    private static double DpoWritten(ParadigmPoint x) =>
        Beta * Transcendental.Sigmoid(Beta * (x.RejectedLogProb - x.RejectedReference) - Beta * (x.LogProb - x.Reference));

    private static double Dpo(ParadigmPoint x)
    {
        var gradient = new double[2];
        var batch = new PreferenceBatch<double> { RowStarts = [0, 1, 2], LogProbs = [x.LogProb, x.RejectedLogProb], Reference = [x.Reference, x.RejectedReference] };
        PreferenceObjective.Evaluate(new() { Beta = Beta }, batch, new(1, 1), gradient);
        return -gradient[0];
    }
}
