using System.Collections.Immutable;
using GrpoActors.Core.Completions;

namespace GrpoActors.Core.Runs;

/// <summary>A step's batch, complete: what the trainer needs besides its own state and the data rows.</summary>
/// <param name="Rows">grpo: the completions, in the order of the step's groups; empty in an sft step, whose examples the host reads by range.</param>
/// <param name="Digest">Over ids, tokens, behaviour log-probs, rewards and advantages.</param>
public sealed record TrainingBatch(StepInputs Inputs, ImmutableArray<TrainingRow> Rows, Digest Digest);

/// <param name="Row">Data row of the prompt.</param>
/// <param name="Reward">Null: unscorable; its advantage is 0.</param>
/// <param name="Advantage">From the rewards alone. A penalty in the reward, and what differs from token to token, the trainer adds: both follow from this batch and its own state.</param>
/// <param name="RewardsByFunction">Shape [rewards]; NaN marks a reward that abstained or failed.</param>
public sealed record TrainingRow(CompletionId Id, long Row, PolicyVersion Version, Completion Completion, double? Reward, ImmutableArray<double> RewardsByFunction, double Advantage);
