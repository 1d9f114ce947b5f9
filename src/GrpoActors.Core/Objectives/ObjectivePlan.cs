using System.Collections.Immutable;
using GrpoActors.Core.Advantages;

namespace GrpoActors.Core.Objectives;

/// <summary>An objective as a composition of named parts. Immutable; equal plans give equal coefficients.</summary>
/// <remarks>L = sum_i w_i sum_t m_t q_t l_t + coefficient sum_i w'_i sum_t m_t kl_t - coefficient sum m H: l from <see cref="Surrogate"/> and
/// <see cref="Ratio"/>, q from <see cref="Mismatch"/> and the masks, w from <see cref="Aggregation"/>, w' from <see cref="SideAggregation"/>.</remarks>
public sealed record ObjectivePlan
{
    /// <summary>The name it was asked for by; see <see cref="ObjectiveDefaults.Names"/>.</summary>
    public required string Name { get; init; }

    public required Dialect Dialect { get; init; }

    public required RatioPart Ratio { get; init; }

    public required Surrogate Surrogate { get; init; }

    /// <summary>How rewards become advantages under this objective.</summary>
    public required AdvantagePlan Advantages { get; init; }

    /// <summary>Of the policy loss.</summary>
    public required AggregationPart Aggregation { get; init; }

    /// <summary>Of the KL penalty. TRL: the same (the penalty is part of the token's loss). verl: always <c>loss_agg_mode</c>, also where an objective forces another for the policy loss.</summary>
    public required AggregationPart SideAggregation { get; init; }

    public KlPart Kl { get; init; } = new(0, KlForm.K3);

    public EntropyPart Entropy { get; init; } = new(0);

    /// <summary>Of the entropy bonus; null is the mean over the tokens that teach.</summary>
    public AggregationPart? EntropyAggregation { get; init; }

    /// <summary>Correction for a sampler that computes other log-probs than the trainer; null is none.</summary>
    public MismatchPart? Mismatch { get; init; }

    /// <summary>Tokens and rows to leave out for their mismatch; all rules apply.</summary>
    public ImmutableArray<RejectionPart> Rejections { get; init; } = [];

    /// <summary>TRL <c>off_policy_mask_threshold</c>: rows with a negative advantage teach nothing once mean(sampling - current) exceeds it. DeepSeek-V3.2, arXiv:2512.02556.</summary>
    public double? OffPolicyMaskThreshold { get; init; }

    /// <summary>True: the ratio divides by <see cref="ObjectiveBatch{T}.Proximal"/>, and <see cref="Mismatch"/> weighs proximal against old (AReaL, arXiv:2505.24298).</summary>
    public bool Decoupled { get; init; }

    /// <summary>A KL penalty in the reward; null is none.</summary>
    public KlInRewardPart? KlInReward { get; init; }

    /// <summary>Moves <see cref="KlCoefficient"/> from step to step; null keeps it.</summary>
    public AdaptiveKlPart? AdaptiveKl { get; init; }

    /// <summary>Moves <see cref="EntropyPart.Coefficient"/> from step to step; null keeps it.</summary>
    public AdaptiveEntropyPart? AdaptiveEntropy { get; init; }

    /// <summary>Frozen by default.</summary>
    public ReferenceRule Reference { get; init; } = ReferenceRule.Frozen;

    /// <summary>The coefficient that may move: of the penalty in the reward where there is one (verl's <c>kl_ctrl</c>), else of the one in the loss.</summary>
    public double KlCoefficient => KlInReward?.Coefficient ?? Kl.Coefficient;

    /// <summary>The same plan with the coefficients of this step, when they move.</summary>
    public ObjectivePlan With(double klCoefficient, double entropyCoefficient) => this with
    {
        Kl = KlInReward is null ? Kl with { Coefficient = klCoefficient } : Kl,
        KlInReward = KlInReward is null ? null : KlInReward with { Coefficient = klCoefficient },
        Entropy = Entropy with { Coefficient = entropyCoefficient },
    };

    /// <summary>True when current log-probs or entropies of the whole update decide what a single token gets: survey after a forward pass of all micro-batches.</summary>
    public bool NeedsWholeUpdate => Surrogate is Surrogate.KlCov or Surrogate.ClipCov || Entropy.TopQuantile < 1;

    /// <summary>True when the caller must provide reference log-probs.</summary>
    public bool NeedsReference => Kl.Coefficient != 0 || AdaptiveKl is not null || KlInReward is not null;

    /// <summary>True when the caller must provide entropies with a gradient.</summary>
    public bool NeedsEntropyGradient => Entropy.Coefficient != 0;

    /// <inheritdoc cref="ObjectiveDefaults.For"/>
    public static ObjectivePlan For(Dialect dialect, string name, ObjectiveOptions? options = null) => ObjectiveDefaults.For(dialect, name, options ?? new());
}
