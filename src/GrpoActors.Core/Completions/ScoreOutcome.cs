using System.Collections.Immutable;

namespace GrpoActors.Core.Completions;

/// <summary>What one reward said of one completion. A fault is an outcome of its own and never becomes a number.</summary>
public abstract record ScoreOutcome
{
    private ScoreOutcome()
    {
    }

    /// <param name="Reward">Finite.</param>
    public sealed record Scored(float Reward) : ScoreOutcome;

    /// <summary>The reward does not apply to this prompt (TRL: a reward function returns None); left out of the weighted sum.</summary>
    public sealed record Abstained : ScoreOutcome;

    /// <summary>Exhausted its deadline and its retries.</summary>
    public sealed record TimedOut(TimeSpan Budget) : ScoreOutcome;

    /// <summary>Threw, crashed, or returned NaN or infinity, on its last attempt.</summary>
    public sealed record Faulted(string Reason) : ScoreOutcome;

    public static Abstained NotApplicable { get; } = new();

    /// <summary>A failure in one sentence.</summary>
    public static string Describe(ScoreOutcome outcome) => outcome switch
    {
        TimedOut late => $"no answer within {late.Budget.TotalSeconds:0.###} s.",
        Faulted fault => fault.Reason,
        _ => outcome.ToString(),
    };
}

/// <summary>A completion with the outcome of each reward, in the order of the plan's rewards.</summary>
public sealed record ScoredCompletion(Completion Completion, ImmutableArray<ScoreOutcome> Outcomes)
{
    /// <summary>
    /// The weighted sum of what was scored, <c>Σ w_k r_k</c> over the rewards that did not abstain; null for an unscorable completion:
    /// one that a reward failed on, or on which every reward abstained.
    /// </summary>
    /// <remarks>TRL sums over whatever is not None; a failed call counts there as 0. Here it makes the completion unscorable.</remarks>
    /// <param name="weights">Shape [rewards].</param>
    public double? Reward(ImmutableArray<double> weights)
    {
        double sum = 0;
        bool any = false;
        for (int k = 0; k < Outcomes.Length; k++)
        {
            switch (Outcomes[k])
            {
                case ScoreOutcome.Scored scored:
                    sum += weights[k] * scored.Reward;
                    any = true;
                    break;
                case ScoreOutcome.Abstained:
                    break;
                default:
                    return null;
            }
        }

        return any ? sum : null;
    }
}

/// <summary>Who made a set of completions and how long it took. Kept apart: no hash covers it.</summary>
public sealed record Provenance(string Generator, TimeSpan Sampling, TimeSpan Scoring);
