using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Runtime.Reports;

/// <summary>How a run stands when its process is done with it.</summary>
/// <param name="Run">The run folder.</param>
/// <param name="End">Null: stopped on the way; the same command goes on.</param>
/// <param name="Steps">Committed steps of the grpo phases.</param>
/// <param name="Seconds">Wall-clock of this process.</param>
/// <param name="AccuracyBefore">Held-out, greedy, in [0, 1], at the start of the first grpo phase; null if there is no evaluation, or it was not reached.</param>
/// <param name="AccuracyAfter">The same at the end of the last grpo phase.</param>
/// <param name="RewardFirst">Mean reward of the first ten grpo steps.</param>
/// <param name="RewardLast">Mean reward of the last ten grpo steps.</param>
/// <param name="OutcomesByTiming">Scorer calls that ran out of time: above 0, a repeated run may differ.</param>
/// <param name="ExactOn">What must be the same for <paramref name="Exact"/> to hold; null: nothing, the bits are those of every machine.</param>
/// <param name="Exact">The same run file gives the same bits on every machine: the engine is exact, the order canonical, and no outcome came from timing.</param>
/// <param name="VectorBits">Width of the vector instructions in use; results do not depend on it.</param>
/// <param name="Fma">Whether the processor fuses multiply-add; results do not depend on it.</param>
/// <param name="Rewards">How often each reward scored, abstained and failed since the run began, with its first failure.</param>
/// <param name="Reason">What a sentinel saw when it ended the run, as one clause; null where none did.</param>
public sealed record RunResult(
    string Run, RunEnd? End, long Steps, double Seconds, double? AccuracyBefore, double? AccuracyAfter, double? RewardFirst, double? RewardLast,
    long TokensSampled, long TokensTrained, long OutcomesByTiming, bool Exact, int VectorBits, bool Fma,
    Digest WeightsSha256, Digest OptimizerSha256, Digest LedgerSha256, ImmutableArray<RewardReport> Rewards, string? Reason = null,
    string? ExactOn = null);
