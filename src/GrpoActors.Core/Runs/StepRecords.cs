using System.Collections.Immutable;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>Coefficients that move from step to step.</summary>
/// <param name="KlCoefficient">TRL: beta. Of the penalty in the reward where the objective has one there, else of the one in the loss.</param>
/// <param name="EntropyCoefficient">TRL: entropy_coef.</param>
/// <param name="LastEntropy">Mean entropy of the step before, which says whether an adaptive bonus applies; infinity before the first; null where the coefficient does not adapt.</param>
public sealed record AdaptiveState(double KlCoefficient, double EntropyCoefficient, double LearningRateScale, double? LastEntropy = null)
{
    public static AdaptiveState Neutral { get; } = new(0, 0, 1);
}

/// <summary>All that a step is a function of, besides the engine's state.</summary>
/// <param name="Step">Counts through the whole run.</param>
/// <param name="Groups">The groups trained, in order; empty in an sft step.</param>
/// <param name="FirstExample">sft: ordinal of the first worked example; the step trains [FirstExample, FirstExample + Examples).</param>
/// <param name="PassedOver">Arrival order: kept groups that were too old when their turn came.</param>
/// <param name="PrimaryCursor">Next primary ordinal.</param>
/// <param name="LearningRate">Of every optimiser update of this step.</param>
/// <param name="ReferenceVersion">The version at which the reference policy was kept, or last drawn to the policy; null where the phase has none.</param>
public sealed record StepInputs(
    long Step, int Phase, PhaseKind Kind, ImmutableArray<GroupId> Groups, long FirstExample, int Examples, ImmutableArray<GroupId> PassedOver,
    long PrimaryCursor, long RefillCursor, double LearningRate, AdaptiveState Adaptive, PolicyVersion? ReferenceVersion);

/// <summary>What a step gave.</summary>
/// <param name="Empty">No trainable token: the version is new, its bytes are not.</param>
/// <param name="Batch">Digest of tokens, behaviour log-probs, rewards and advantages of what was trained.</param>
/// <param name="Update">Digest of the weights after the step's updates, computed inside the optimiser's pass.</param>
/// <param name="Policy">Digest of version Step + 1: SHA-256 of (digest of version Step, <paramref name="Update"/>).</param>
/// <param name="Metrics">By name, ordinal order.</param>
public sealed record StepOutputs(bool Empty, Digest Batch, Digest Update, Digest Policy, ImmutableArray<Metric> Metrics, AdaptiveState Next)
{
    /// <summary>Metric, 1 where it stands: all advantages of the step are 0.</summary>
    public const string NoAdvantage = "grpo.advantages.all_zero";

    /// <summary>No trainable token, or no advantage: at most the KL and entropy terms moved the weights.</summary>
    public bool TeachesNothing => Empty || this[NoAdvantage] is not null;

    public double? this[string name]
    {
        get
        {
            foreach (Metric metric in Metrics)
            {
                if (metric.Name == name)
                {
                    return metric.Value;
                }
            }

            return null;
        }
    }
}

public readonly record struct Metric(string Name, double Value);

/// <summary>Durations; no hash covers them.</summary>
public sealed record StepTimings(TimeSpan Training, TimeSpan Waiting);

/// <summary>Held-out accuracy of one version.</summary>
/// <param name="Tokens">Digest of all sampled tokens.</param>
public sealed record Evaluation(int Problems, int Correct, double MeanReward, Digest Tokens)
{
    /// <summary>In [0, 1]: share of problems whose greedy answer scored the plan's threshold or more with the reward that the plan names.</summary>
    public double Accuracy => Problems == 0 ? 0 : (double)Correct / Problems;
}
