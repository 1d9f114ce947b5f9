using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Reports;

/// <summary>What a committed step has to tell. One is sent for each step, in order, once its record is durable; steps of an earlier process are not sent again.</summary>
/// <param name="Phase">Name of the phase.</param>
/// <param name="Step">Within the phase, from 1.</param>
/// <param name="Steps">Of the phase.</param>
/// <param name="RunStep">Through the whole run, from 1; the version that this step made.</param>
/// <param name="RunSteps">Of the whole run.</param>
/// <param name="Metrics">Under the names of metrics.jsonl, which are TRL's where TRL has one; the properties below read them.</param>
/// <param name="Tokens">Tokens that this step sampled (grpo) or trained (sft).</param>
/// <param name="Elapsed">Since the step before was committed.</param>
/// <param name="Evaluation">Held-out accuracy of the version that this step started from, where one was due.</param>
/// <param name="Rewards">How often each reward scored, abstained and failed, with its first failure; empty in an sft step.</param>
/// <param name="Samples">A few completions of this step, every <c>samples_steps</c> steps; else empty.</param>
public sealed record StepReport(
    string Phase, PhaseKind Kind, int Step, int Steps, long RunStep, long RunSteps, ImmutableArray<Metric> Metrics, long Tokens, TimeSpan Elapsed,
    Evaluation? Evaluation, ImmutableArray<SampleReport> Samples, ImmutableArray<RewardReport> Rewards)
{
    public double? Loss => this["loss"];

    /// <summary>Mean reward over the step's completions.</summary>
    public double? Reward => this["reward"];

    /// <summary>Mean over the groups of the rewards' standard deviation.</summary>
    public double? RewardSpread => this["reward_std"];

    /// <summary>Share of groups whose rewards are all equal, in [0, 1].</summary>
    public double? ZeroSpreadShare => this["frac_reward_zero_std"];

    /// <summary>Mean over tokens, in nats; null where the phase has no reference.</summary>
    public double? Kl => this["kl"];

    /// <summary>Mean over tokens, in nats.</summary>
    public double? Entropy => this["entropy"];

    /// <summary>Of the completions, in tokens.</summary>
    public double? MeanLength => this["completions/mean_length"];

    /// <summary>Largest difference, in versions, between the learner and the policy that sampled.</summary>
    public double? Lag => this["lag"];

    public double? LearningRate => this["learning_rate"];

    public double? GradNorm => this["grad_norm"];

    public double TokensPerSecond => Elapsed > TimeSpan.Zero ? Tokens / Elapsed.TotalSeconds : 0;

    /// <summary>Null if the step has no such metric.</summary>
    public double? this[string metric]
    {
        get
        {
            foreach (Metric candidate in Metrics)
            {
                if (candidate.Name == metric)
                {
                    return candidate.Value;
                }
            }

            return null;
        }
    }
}

/// <summary>One completion as a person reads it.</summary>
/// <param name="Rewards">By reward, in the plan's order; null: it abstained or failed.</param>
/// <param name="Reward">The weighted sum; null: unscorable.</param>
public sealed record SampleReport(string Prompt, string Completion, ImmutableArray<SampleReward> Rewards, double? Reward, double Advantage);

public readonly record struct SampleReward(string Name, double? Value);
