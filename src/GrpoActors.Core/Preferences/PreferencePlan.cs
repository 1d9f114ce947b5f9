using System.Collections.Immutable;

namespace GrpoActors.Core.Preferences;

/// <summary>Losses on pairs of completions. s is the score of a completion (its log-ratio to the reference, through the f-divergence), r the log-ratio itself,
/// w the chosen one and l the rejected one, D = s_w - s_l. Names as TRL's <c>loss_type</c>.</summary>
public enum PreferenceLoss
{
    /// <summary>-log sigmoid(beta D). DPO, arXiv:2305.18290.</summary>
    Sigmoid,

    /// <summary>max(0, 1 - beta D). SLiC, arXiv:2305.10425.</summary>
    Hinge,

    /// <summary>(s_w / n_w - s_l / n_l - 1 / (2 beta))^2, n tokens. IPO, arXiv:2310.12036, per token as TRL does.</summary>
    Ipo,

    /// <summary>KL of the policy's choice to the smoothed label (1 - e, e), e = label smoothing. EXO, arXiv:2402.00856.</summary>
    ExoPair,

    /// <summary>-log sigmoid(beta s_w) - (log sigmoid(-beta s_w) + log sigmoid(-beta s_l)) / 2. NCA, arXiv:2402.05369.</summary>
    NcaPair,

    /// <summary>((1 - e) (-log sigmoid(beta D)) + e log sigmoid(-beta D)) / (1 - 2e). Robust DPO, arXiv:2403.00409.</summary>
    Robust,

    /// <summary>-log sigmoid(beta s_w) - log sigmoid(-beta s_l). BCO, arXiv:2404.04656.</summary>
    BcoPair,

    /// <summary>(s_w - 1 / (2 beta))^2 + (s_l + 1 / (2 beta))^2. SPPO with hard labels, arXiv:2405.00675.</summary>
    SppoHard,

    /// <summary>Smoothed DPO on sorted log-ratios of policy and reference. AOT, arXiv:2406.05882. Needs the whole batch at once.</summary>
    Aot,

    /// <summary>Smoothed DPO on sorted r_w and sorted r_l. AOT unpaired, arXiv:2406.05882. Needs the whole batch at once.</summary>
    AotUnpaired,

    /// <summary>1 - sigmoid(beta r_w) + sigmoid(beta r_l). APO-zero, arXiv:2408.06266.</summary>
    ApoZero,

    /// <summary>sigmoid(beta r_w) + 1 - sigmoid(beta D). APO-down, arXiv:2408.06266.</summary>
    ApoDown,

    /// <summary>A blend of -log sigmoid(x) and e^-x, x = beta D, by sigmoid(x / tau). DiscoPOP, arXiv:2406.08414.</summary>
    Discopop,

    /// <summary>Mean negative log-prob of the chosen tokens.</summary>
    Sft,

    /// <summary>-log sigmoid(beta (s_w / n_w - s_l / n_l)). Length-normalised DPO.</summary>
    SigmoidNorm,
}

/// <summary>How a log-ratio r becomes a score; TRL <c>f_divergence_type</c> (arXiv:2309.16240).</summary>
public enum FDivergence
{
    /// <summary>r.</summary>
    ReverseKl,

    /// <summary>-exp(-r).</summary>
    ForwardKl,

    /// <summary>log sigmoid(r).</summary>
    JsDivergence,

    /// <summary>exp((a - 1) r) / (a - 1).</summary>
    AlphaDivergence,
}

/// <summary>What is learned from preference pairs; defaults as TRL's DPOConfig.</summary>
public sealed record PreferencePlan
{
    /// <summary>TRL <c>loss_type</c> with <c>loss_weights</c>; the losses add up.</summary>
    public ImmutableArray<(PreferenceLoss Loss, double Weight)> Losses { get; init; } = [(PreferenceLoss.Sigmoid, 1)];

    /// <summary>TRL <c>beta</c>; &gt; 0.</summary>
    public double Beta { get; init; } = 0.1;

    /// <summary>TRL <c>label_smoothing</c>: the chance that a label is wrong; [0, 0.5).</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>TRL <c>f_divergence_type</c>.</summary>
    public FDivergence Divergence { get; init; } = FDivergence.ReverseKl;

    /// <summary>TRL <c>f_alpha_divergence_coef</c>; 1 is reverse KL.</summary>
    public double AlphaDivergenceCoef { get; init; } = 0.5;

    /// <summary>TRL <c>ld_alpha</c>: weight of the tokens behind the shorter completion's length (LD-DPO, arXiv:2409.06411); null is 1.</summary>
    public double? LdAlpha { get; init; }

    /// <summary>TRL <c>discopop_tau</c>.</summary>
    public double DiscopopTau { get; init; } = 0.05;

    /// <summary>True when all pairs of an update must be handed in at once.</summary>
    public bool NeedsWholeUpdate => Losses.Any(x => x.Loss is PreferenceLoss.Aot or PreferenceLoss.AotUnpaired);

    /// <summary>The loss by TRL's name (<c>sigmoid</c>, <c>nca_pair</c>, ...).</summary>
    /// <exception cref="ArgumentException">Another name.</exception>
    public static PreferenceLoss Named(string name) =>
        Enum.TryParse<PreferenceLoss>(name.Replace("_", ""), ignoreCase: true, out var loss) && !char.IsDigit(name[0]) ? loss
            : throw new ArgumentException($"loss_type is '{name}', expected one of sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, aot_unpaired, apo_zero, apo_down, discopop, sft, sigmoid_norm.");
}
