namespace GrpoActors.Core.Objectives;

/// <summary>Moves the KL coefficient towards a target divergence (arXiv:1909.08593; verl <c>kl_ctrl: adaptive</c>). Pure: the caller keeps the coefficient.</summary>
/// <param name="Target">verl <c>target_kl</c>; &gt; 0.</param>
/// <param name="Horizon">verl <c>horizon</c>: samples over which the error is made up for; &gt; 0.</param>
public sealed record AdaptiveKlPart(double Target = 0.1, double Horizon = 10_000)
{
    /// <summary>The coefficient after an update: c (1 + clamp(kl / target - 1, -0.2, 0.2) samples / horizon).</summary>
    /// <param name="kl">Mean divergence measured in the update.</param>
    /// <param name="samples">Completions of the update (verl <c>n_steps</c>).</param>
    public double Next(double coefficient, double kl, int samples) =>
        coefficient * (1 + Math.Clamp(kl / Target - 1, -0.2, 0.2) * samples / Horizon);
}

/// <summary>State of an adaptive entropy bonus.</summary>
/// <param name="Coefficient">TRL <c>entropy_coef</c> as it stands.</param>
/// <param name="LastEntropy">Mean entropy of the update before; infinity at the start, so the first update has no bonus.</param>
public readonly record struct EntropyState(double Coefficient, double LastEntropy)
{
    /// <summary>The state to begin with.</summary>
    public static EntropyState Start(double coefficient) => new(coefficient, double.PositiveInfinity);
}

/// <summary>Raises the entropy bonus while the entropy lies below a target (Skywork-OR1, arXiv:2505.22312; TRL <c>use_adaptive_entropy</c>). Pure.</summary>
/// <param name="Target">TRL <c>entropy_target</c>, nats.</param>
/// <param name="Delta">TRL <c>entropy_coef_delta</c>.</param>
/// <param name="Min">TRL <c>entropy_coef_min</c>.</param>
/// <param name="Max">TRL <c>entropy_coef_max</c>.</param>
public sealed record AdaptiveEntropyPart(double Target = 0.2, double Delta = 0.005, double Min = 0, double Max = 1)
{
    /// <summary>What this update applies: nothing while the entropy is above the target.</summary>
    public double Applied(EntropyState state) => state.LastEntropy <= Target ? state.Coefficient : 0;

    /// <summary>The state after an update whose teaching tokens had mean entropy <paramref name="entropy"/>.</summary>
    public EntropyState Next(EntropyState state, double entropy) =>
        new(entropy <= Target ? Math.Min(state.Coefficient + Delta, Max) : Math.Max(state.Coefficient - Delta, Min), entropy);
}

/// <summary>What the reference policy is: frozen, or drawn to the current one every n steps: reference = Alpha current + (1 - Alpha) reference (TR-DPO, arXiv:2404.09656).</summary>
/// <param name="EverySteps">TRL <c>ref_model_sync_steps</c>; 0 is frozen.</param>
/// <param name="Alpha">TRL <c>ref_model_mixup_alpha</c>; (0, 1]; 1 copies.</param>
public sealed record ReferenceRule(int EverySteps, double Alpha)
{
    public static ReferenceRule Frozen { get; } = new(0, 0);

    /// <summary>The share of the current policy that enters the reference after step <paramref name="step"/> (the first is 1); 0 leaves it as it is.</summary>
    public double MixAfter(long step) => EverySteps > 0 && step % EverySteps == 0 ? Alpha : 0;
}

/// <summary>A KL penalty taken off the rewards before advantages are estimated, instead of one in the loss.</summary>
/// <param name="Coefficient">verl <c>kl_ctrl.kl_coef</c> (0.001), TRL's RLOO <c>beta</c> (0.05).</param>
/// <param name="Form">verl <c>kl_penalty</c>, by default k1.</param>
/// <param name="WholeOutput">True: off the row's reward (TRL's RLOO); false: off each token's (verl).</param>
public sealed record KlInRewardPart(double Coefficient, KlForm Form, bool WholeOutput);
