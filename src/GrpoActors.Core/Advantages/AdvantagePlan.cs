namespace GrpoActors.Core.Advantages;

/// <summary>How rewards become advantages.</summary>
public enum AdvantageEstimator
{
    /// <summary>A = (r - mean of the group) / (std + epsilon), std as <see cref="AdvantagePlan.Scale"/> says. TRL <c>sum_then_normalize</c>, verl <c>grpo</c>. arXiv:2402.03300.</summary>
    Grpo,

    /// <summary>A = r - mean of the others. verl <c>rloo</c>, TRL's RLOO trainer. arXiv:2402.14740.</summary>
    LeaveOneOut,

    /// <summary>A = r - length-weighted mean of the group. verl <c>opo</c>. arXiv:2505.23585.</summary>
    Opo,

    /// <summary>A = alpha (r - mean of the group), alpha = rows / rows with a reward other than 0. verl <c>gpg</c>. arXiv:2504.02546.</summary>
    Gpg,

    /// <summary>A = reward still to come - reward of the greedy completion. verl <c>remax</c>. arXiv:2310.10505.</summary>
    ReMax,

    /// <summary>Only the best of the group: A = (best - second) / (std + epsilon). verl <c>grpo_passk</c>. arXiv:2503.19595.</summary>
    PassAtK,

    /// <summary>Each reward normalised in its group, weighted sum, normalised over the batch. TRL <c>normalize_then_sum</c>, verl <c>gdpo</c>. arXiv:2601.05242.</summary>
    Gdpo,

    /// <summary>Discounted return of each token, whitened over the batch. verl <c>reinforce_plus_plus</c>. arXiv:2501.03262.</summary>
    ReinforcePlusPlus,

    /// <summary>r - mean of the group, whitened over the tokens of the batch. verl <c>reinforce_plus_plus_baseline</c>.</summary>
    ReinforcePlusPlusBaseline,

    /// <summary>Generalised advantage estimation with a value function, whitened. verl <c>gae</c>. arXiv:1506.02438.</summary>
    Gae,

    /// <summary>A of a token = sum of the group-normalised step rewards from there on. DeepSeekMath, section 4.1.3.</summary>
    ProcessSupervision,
}

/// <summary>What the difference to the mean is divided by; TRL's <c>scale_rewards</c>.</summary>
public enum AdvantageScale
{
    /// <summary>The standard deviation of the group.</summary>
    Group,

    /// <summary>The standard deviation of the whole batch; the mean stays the group's.</summary>
    Batch,

    /// <summary>Nothing (Dr. GRPO, arXiv:2503.20783; verl <c>norm_adv_by_std_in_grpo: false</c>).</summary>
    None,
}

/// <summary>What a group with one scorable completion gets.</summary>
public enum SingletonRule
{
    /// <summary>0: nothing to compare with (TRL, where the deviation of one is not a number and becomes 0).</summary>
    Zero,

    /// <summary>Its score, as if the mean were 0 and the deviation 1 (verl).</summary>
    Score,
}

/// <summary>Everything the estimation of advantages depends on, apart from the rewards.</summary>
public sealed record AdvantagePlan
{
    public AdvantageEstimator Estimator { get; init; } = AdvantageEstimator.Grpo;

    /// <summary>TRL <c>scale_rewards</c>; default group.</summary>
    public AdvantageScale Scale { get; init; } = AdvantageScale.Group;

    /// <summary>Added to a deviation before dividing. TRL 1e-4, TRL async 1e-8, verl 1e-6, OpenRLHF 1e-9, AReaL 1e-5. With 0, a group without spread gets 0.</summary>
    public double Epsilon { get; init; } = 1e-4;

    /// <summary>True divides squares by n (TRL's asynchronous trainer, GRPO-Zero), false by n - 1 (TRL, verl).</summary>
    public bool PopulationDeviation { get; init; }

    /// <summary>What a group of one gets; default 0.</summary>
    public SingletonRule Singleton { get; init; } = SingletonRule.Zero;

    /// <summary>Gdpo: true whitens over tokens (verl), false normalises over completions (TRL).</summary>
    public bool WhitenOverTokens { get; init; }

    /// <summary>Discount per token of ReinforcePlusPlus and Gae; verl <c>gamma</c>, default 1.</summary>
    public double Gamma { get; init; } = 1;

    /// <summary>verl <c>lam</c> of Gae; default 1.</summary>
    public double Lambda { get; init; } = 1;

    /// <summary>Advantages are cut to [-bound, +bound] at the end; none by default.</summary>
    public double? ClipAt { get; init; }

    /// <summary>One number a completion, from the rewards and lengths of a step's completions: neither a value function, nor greedy answers, nor rewards of single tokens are needed.</summary>
    public bool FollowsFromRewards => Estimator switch
    {
        AdvantageEstimator.ReMax or AdvantageEstimator.Gae or AdvantageEstimator.ProcessSupervision => false,
        AdvantageEstimator.ReinforcePlusPlus => Gamma == 1, // else each token has its own
        _ => true,
    };

    /// <summary>What the estimator needs and neither rewards nor a reference policy tell; null: nothing.</summary>
    public string? Missing => Estimator switch
    {
        AdvantageEstimator.ReMax => "the reward of a greedy completion of each prompt",
        AdvantageEstimator.Gae => "a value function",
        AdvantageEstimator.ProcessSupervision => "rewards of single steps within a completion",
        _ => null,
    };

    /// <summary><see cref="Epsilon"/> enters the result.</summary>
    public bool DividesByDeviation => Estimator switch
    {
        AdvantageEstimator.Grpo or AdvantageEstimator.PassAtK or AdvantageEstimator.ProcessSupervision => Scale != AdvantageScale.None,
        AdvantageEstimator.Gdpo => true,
        _ => false,
    };

    /// <summary>The dialect's own estimator with its epsilon and singleton rule.</summary>
    public static AdvantagePlan Trl { get; } = new();

    /// <inheritdoc cref="Trl"/>
    public static AdvantagePlan Verl { get; } = new() { Epsilon = 1e-6, Singleton = SingletonRule.Score, WhitenOverTokens = true };

    /// <inheritdoc cref="Trl"/>
    public static AdvantagePlan Paper { get; } = new() { Epsilon = 0 };

    /// <summary>TRL's asynchronous trainer: population deviation + 1e-8.</summary>
    public static AdvantagePlan TrlAsync { get; } = new() { Epsilon = 1e-8, PopulationDeviation = true };
}
