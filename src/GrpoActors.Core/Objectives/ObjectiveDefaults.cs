using System.Collections.Immutable;
using GrpoActors.Core.Advantages;

namespace GrpoActors.Core.Objectives;

/// <summary>What each objective is made of, and what each dialect fills in.</summary>
public static class ObjectiveDefaults
{
    /// <summary>Every objective, under TRL's <c>loss_type</c> or verl's <c>loss_mode</c> name where there is one.</summary>
    public static readonly IReadOnlyList<string> Names =
    [
        "grpo", "bnpo", "dr_grpo", "dapo", "luspo", "cispo", "sapo", "vespo", "gspo", "geo_mean", "gpg", "dro", "dppo_tv", "dppo_kl", "kl_cov", "clip_cov",
        "reinforce", "rloo", "ppo", "r1", "vanilla",
    ];

    /// <summary>The plan of objective <paramref name="name"/> with the dialect's defaults under <paramref name="o"/>.</summary>
    /// <exception cref="ArgumentException">The name is none of <see cref="Names"/>, or a setting is out of range.</exception>
    public static ObjectivePlan For(Dialect dialect, string name, ObjectiveOptions o)
    {
        string known = name switch
        {
            "gmpo" => "geo_mean",
            _ => name,
        };
        if (!Names.Contains(known))
            throw new ArgumentException($"objective is '{name}', expected one of {string.Join(", ", Names)}.");
        Check(o);
        return new()
        {
            Name = known,
            Dialect = dialect,
            Ratio = RatioOf(dialect, known, o),
            Surrogate = SurrogateOf(dialect, known, o),
            Advantages = AdvantagesOf(dialect, known, o),
            Aggregation = AggregationOf(dialect, known, o, policy: true),
            SideAggregation = AggregationOf(dialect, known, o, policy: dialect != Dialect.Verl),
            Kl = KlOf(dialect, known, o),
            Entropy = new(o.EntropyCoef ?? 0) { TopQuantile = o.TopEntropyQuantile ?? 1 },
            EntropyAggregation = EntropyAggregationOf(dialect, known, o),
            Mismatch = MismatchOf(dialect, o),
            Rejections = RejectionsOf(o),
            OffPolicyMaskThreshold = o.OffPolicyMaskThreshold,
            Decoupled = o.Decoupled ?? false,
            KlInReward = o.KlInReward is > 0 and var coefficient ? new(coefficient, KlEstimator.Named(o.KlPenalty ?? "k1").Form, dialect == Dialect.Trl) : null,
            AdaptiveKl = o.TargetKl is { } target ? new(target, o.KlHorizon ?? 10_000) : null,
            AdaptiveEntropy = o.UseAdaptiveEntropy == true ? new(o.EntropyTarget ?? 0.2, o.EntropyCoefDelta ?? 0.005, o.EntropyCoefMin ?? 0, o.EntropyCoefMax ?? 1) : null,
            Reference = o.SyncRefModel == true ? new(o.RefModelSyncSteps ?? 512, o.RefModelMixupAlpha ?? 0.6) : ReferenceRule.Frozen,
        };
    }

    private static void Check(ObjectiveOptions o)
    {
        Range("beta", o.Beta, x => x >= 0, "at least 0");
        Range("epsilon", o.Epsilon, x => x >= 0, "at least 0");
        Range("epsilon_high", o.EpsilonHigh, x => x >= 0, "at least 0");
        Range("delta", o.Delta, x => x > 0, "above 0");
        Range("clip_ratio_c", o.ClipRatioC, x => x > 1, "above 1");
        Range("top_entropy_quantile", o.TopEntropyQuantile, x => x is > 0 and <= 1, "above 0 and at most 1");
        Range("target_kl", o.TargetKl, x => x > 0, "above 0");
        Range("horizon", o.KlHorizon, x => x > 0, "above 0");
        Range("ref_model_mixup_alpha", o.RefModelMixupAlpha, x => x is > 0 and <= 1, "above 0 and at most 1");
        Range("ref_model_sync_steps", o.RefModelSyncSteps, x => x > 0, "above 0");
        Range("advantage_clip", o.AdvantageClip, x => x > 0, "above 0");
        Range("advantage_epsilon", o.AdvantageEpsilon, x => x >= 0, "at least 0");
        Range("gamma", o.Gamma, x => x is >= 0 and <= 1, "from 0 to 1");
        Range("lam", o.Lam, x => x is >= 0 and <= 1, "from 0 to 1");
        Range("dro_beta", o.DroBeta, x => x > 0, "above 0");
        Range("max_completion_length", o.MaxCompletionLength, x => x > 0, "above 0");
    }

    private static void Range(string key, double? value, Func<double, bool> holds, string expected)
    {
        if (value is { } x && !holds(x))
            throw new ArgumentException($"{key} is {x}, expected a number {expected}.");
    }

    private static RatioPart RatioOf(Dialect dialect, string name, ObjectiveOptions o)
    {
        var level = o.ImportanceSamplingLevel ?? name switch
        {
            "gspo" => dialect == Dialect.Verl ? RatioLevel.SequenceMeanHeld : RatioLevel.SequenceMean,
            "luspo" => RatioLevel.SequenceMean,
            "r1" => RatioLevel.SequenceSum,
            "rloo" when dialect != Dialect.Verl => RatioLevel.SequenceSum,
            _ => RatioLevel.Token,
        };
        // verl's kl_cov, clip_cov and geo_mean leave the log-ratio as it is.
        return dialect != Dialect.Verl || name is "kl_cov" or "clip_cov" or "geo_mean" ? new(level)
            : level == RatioLevel.SequenceMeanHeld ? new(level, LogMax: 10) : new(level, -20, 20);
    }

    private static Surrogate SurrogateOf(Dialect dialect, string name, ObjectiveOptions o)
    {
        double low = o.Epsilon ?? (name, dialect) switch
        {
            ("gspo", not Dialect.Verl) => 3e-4, // TRL's paper index and the paper itself
            ("r1", _) => 10, // DeepSeek-R1, arXiv:2501.12948v2
            ("geo_mean", Dialect.Paper) => 0.4,
            _ => 0.2,
        };
        double high = o.EpsilonHigh ?? (name, dialect) switch
        {
            ("gspo", not Dialect.Verl) when o.Epsilon is null => 4e-4,
            ("dapo", not Dialect.Trl) => 0.28,
            _ => low,
        };
        return name switch
        {
            "cispo" => dialect == Dialect.Trl ? new Surrogate.Cispo(0, high) : new Surrogate.Cispo(1 - low, 1 + high),
            "sapo" => new Surrogate.Sapo(o.TauPos ?? 1, o.TauNeg ?? 1.05),
            "vespo" => new Surrogate.Vespo(o.VespoKPos ?? 2, o.VespoLambdaPos ?? 3, o.VespoKNeg ?? 3, o.VespoLambdaNeg ?? 2),
            "geo_mean" => new Surrogate.GeometricMean(low, high),
            "gpg" or "reinforce" => new Surrogate.LogProb(),
            "dro" => new Surrogate.Dro(o.DroBeta ?? 0.1),
            "dppo_tv" => new Surrogate.Dppo(BinaryDivergence.TotalVariation, low, high, o.ClipRatioC ?? (dialect == Dialect.Verl ? 3 : 20)),
            "dppo_kl" => new Surrogate.Dppo(BinaryDivergence.Kl, low, high, o.ClipRatioC ?? (dialect == Dialect.Verl ? 3 : 20)),
            "kl_cov" => new Surrogate.KlCov(o.CovRatio ?? 0.0002, o.PpoKlCoef ?? 1),
            "clip_cov" => new Surrogate.ClipCov(o.CovRatio ?? 0.0002, o.ClipCovLb ?? 1, o.ClipCovUb ?? 5, low, high, o.Seed ?? 0),
            // verl's gspo has no dual clip.
            _ => new Surrogate.Clip(low, high, o.Delta, o.ClipRatioC ?? (dialect == Dialect.Verl && name != "gspo" ? 3 : null)),
        };
    }

    private static AdvantagePlan AdvantagesOf(Dialect dialect, string name, ObjectiveOptions o)
    {
        var plan = dialect switch
        {
            Dialect.Trl => AdvantagePlan.Trl,
            Dialect.Verl => AdvantagePlan.Verl,
            _ => AdvantagePlan.Paper,
        };
        plan = name switch
        {
            "rloo" => plan with { Estimator = AdvantageEstimator.LeaveOneOut },
            "gpg" when dialect == Dialect.Paper => plan with { Estimator = AdvantageEstimator.Gpg },
            // TRL keeps scale_rewards: group for loss_type dr_grpo; paper and verl's recipe do not divide.
            "dr_grpo" when dialect != Dialect.Trl => plan with { Scale = AdvantageScale.None },
            _ => plan,
        };
        return plan with
        {
            Estimator = o.AdvEstimator ?? plan.Estimator,
            Scale = o.ScaleRewards ?? plan.Scale,
            Epsilon = o.AdvantageEpsilon ?? plan.Epsilon,
            PopulationDeviation = o.PopulationStd ?? plan.PopulationDeviation,
            Gamma = o.Gamma ?? plan.Gamma,
            Lambda = o.Lam ?? plan.Lambda,
            ClipAt = o.AdvantageClip,
        };
    }

    private static AggregationPart AggregationOf(Dialect dialect, string name, ObjectiveOptions o, bool policy)
    {
        var form = o.LossAggMode ?? (dialect, name) switch
        {
            (_, "dr_grpo") => AggregationForm.SequenceMeanTokenSumNorm,
            (Dialect.Verl, _) => AggregationForm.TokenMean,
            (_, "luspo") => AggregationForm.SequenceMeanTokenSum,
            (Dialect.Paper, "reinforce" or "kl_cov" or "clip_cov") => AggregationForm.TokenMean,
            (_, "bnpo" or "dapo" or "cispo" or "vespo" or "gpg") => AggregationForm.TokenMean,
            _ => AggregationForm.SequenceMeanTokenMean,
        };
        if (policy && name == "geo_mean")
            return new(AggregationForm.SequenceMeanTokenMean); // one loss a row, mean over all rows
        if (policy && dialect == Dialect.Verl && name is "gspo" or "sapo")
            form = AggregationForm.SequenceMeanTokenMean; // verl forces it, whatever loss_agg_mode says
        double longest = o.MaxCompletionLength ?? 512;
        return dialect == Dialect.Verl
            ? new(form) { NonEmptyRowsOnly = true, LengthEpsilon = Objective.VerlEpsilon, Norm = o.LossScaleFactor ?? longest }
            : new(form) { Norm = o.LossScaleFactor ?? longest };
    }

    private static AggregationPart? EntropyAggregationOf(Dialect dialect, string name, ObjectiveOptions o) => dialect switch
    {
        Dialect.Verl => AggregationOf(dialect, name, o, policy: false),
        // TRL divides by all tokens of the update where the loss does, else by the tokens that teach.
        Dialect.Trl when name is "dapo" or "cispo" or "vespo" => new(AggregationForm.TokenMean),
        _ => null,
    };

    private static KlPart KlOf(Dialect dialect, string name, ObjectiveOptions o)
    {
        double coefficient = o.Beta ?? (dialect, name) switch
        {
            (Dialect.Paper, "grpo") => 0.04, // DeepSeekMath
            (Dialect.Paper, "r1") => 0.001,
            _ => 0,
        };
        var (form, straightThrough) = KlEstimator.Named(o.KlLossType ?? "k3");
        return dialect switch
        {
            Dialect.Verl => new(coefficient, form) { StraightThrough = straightThrough, InputClamp = 20, OutputClamp = 10, BiasCorrected = o.UseBiasCorrectionKl ?? false },
            Dialect.Trl => new(coefficient, form) { StraightThrough = straightThrough, BiasCorrected = o.UseBiasCorrectionKl ?? true },
            _ => new(coefficient, form) { StraightThrough = straightThrough, BiasCorrected = o.UseBiasCorrectionKl ?? false, WholeOutput = name == "r1" },
        };
    }

    private static MismatchPart? MismatchOf(Dialect dialect, ObjectiveOptions o)
    {
        // A decoupled ratio says nothing of the behaviour policy: without the weights its gradient is that of samples which the proximal policy did not draw.
        string mode = o.ImportanceSamplingMode ?? (o.Decoupled == true ? "token" : "off");
        if (mode == "off")
            return null;
        bool verl = dialect == Dialect.Verl;
        bool masks = mode.EndsWith("_mask", StringComparison.Ordinal) || (!mode.EndsWith("_truncate", StringComparison.Ordinal) && o.ImportanceSamplingMin is not null);
        if (mode is not ("token" or "sequence" or "token_truncate" or "token_mask" or "sequence_truncate" or "sequence_mask"))
            throw new ArgumentException($"vllm_importance_sampling_mode is '{mode}', expected off, token_truncate, token_mask, sequence_truncate or sequence_mask (verl's rollout_is: token or sequence).");
        return new(mode.StartsWith("sequence", StringComparison.Ordinal), masks ? MismatchCut.Mask : MismatchCut.Truncate, o.ImportanceSamplingMax ?? (verl ? 2 : 3))
        {
            Min = o.ImportanceSamplingMin ?? 0,
            LogClamp = verl ? 20 : double.PositiveInfinity,
            BatchNormalised = o.ImportanceSamplingBatchNormalize ?? false,
        };
    }

    /// <summary>Why <c>rollout_rs</c> and <c>rollout_rs_threshold</c> do not fit together; null: they do.</summary>
    internal static string? ProblemOfRejections(ObjectiveOptions o)
    {
        try
        {
            RejectionsOf(o);
            return null;
        }
        catch (ArgumentException problem)
        {
            return $"is \"{o.RolloutRsThreshold}\": {problem.Message}";
        }
    }

    private static ImmutableArray<RejectionPart> RejectionsOf(ObjectiveOptions o)
    {
        if (o.RolloutRs is not { Length: > 0 } rules)
            return [];
        string[] names = rules.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string[] bounds = (o.RolloutRsThreshold ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (bounds.Length != names.Length && bounds.Length != 1)
            throw new ArgumentException($"rollout_rs_threshold has {bounds.Length} values for {names.Length} rules, expected one, or one each.");
        return [.. names.Select((name, i) => Rejection(name, bounds[bounds.Length == 1 ? 0 : i]))];
    }

    private static RejectionPart Rejection(string name, string bound)
    {
        int cut = name.LastIndexOf('_');
        RejectionLevel? level = cut < 0 ? null : name[..cut] switch
        {
            "token" => RejectionLevel.Token,
            "seq_sum" => RejectionLevel.SequenceSum,
            "seq_mean" => RejectionLevel.SequenceMean,
            "seq_max" => RejectionLevel.SequenceMax,
            _ => null,
        };
        if (level is null || !Enum.TryParse<RejectionStatistic>(name[(cut + 1)..], ignoreCase: true, out var statistic))
            throw new ArgumentException($"rollout_rs has '{name}', expected token, seq_sum, seq_mean or seq_max, followed by _k1, _k2 or _k3.");
        double[] numbers = [.. bound.Split('_').Select(x => double.TryParse(x, out double v) && v > 0 ? v
            : throw new ArgumentException($"rollout_rs_threshold of {name} is '{bound}', expected a number above 0, or lo_hi for k1."))];
        if (numbers.Length > (statistic == RejectionStatistic.K1 ? 2 : 1))
            throw new ArgumentException($"rollout_rs_threshold of {name} is '{bound}', expected {(statistic == RejectionStatistic.K1 ? "one number or lo_hi" : "one number")}.");
        return new(level.Value, statistic, numbers[^1], numbers.Length == 2 ? numbers[0] : null);
    }
}
