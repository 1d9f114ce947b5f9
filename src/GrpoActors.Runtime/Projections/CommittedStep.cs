using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Runtime.Projections;

/// <summary>A committed step with what the journal says of the groups that it trained.</summary>
/// <param name="PhaseStep">Within the phase, from 1.</param>
/// <param name="Groups">In the order of the step; empty in an sft step.</param>
/// <param name="Rewards">What each reward said of all groups that the step settled, dropped ones included; empty in an sft step.</param>
/// <param name="Evaluation">Of the version that the step started from, where one was due.</param>
/// <param name="EvaluationData">Its data file's name without the ending: verl's data_source.</param>
/// <param name="TokensSampled">Completion tokens since the run began, dropped ones included.</param>
/// <param name="TokensOfStep">Completion tokens that this step trained.</param>
public sealed record CommittedStep(
    PhasePlan Phase, int PhaseStep, StepInputs Inputs, StepOutputs Outputs, StepTimings Timings, ImmutableArray<GroupState> Groups, ImmutableArray<RewardReport> Rewards, Evaluation? Evaluation,
    string EvaluationData, long TokensSampled, long TokensOfStep)
{
    /// <summary>Shape [rewards]: what the step's rewards were weighted with.</summary>
    public required ImmutableArray<double> Weights { get; init; }

    /// <summary>Empty where no reward names an objective and nothing balances them.</summary>
    public ImmutableArray<ObjectiveLevel> Objectives { get; init; } = [];

    /// <summary>Through the whole run, from 1: the version that this step made.</summary>
    public long RunStep => Inputs.Step + 1;

    /// <returns>The step, if the event is one. A rollback is none: it trains nothing.</returns>
    public static CommittedStep? Of(FoldedEvent folded)
    {
        if (folded is not { Event: RunEvent.StepCommitted { Inputs: var inputs } e, Before: var run })
        {
            return null;
        }

        ImmutableArray<GroupState> trained = [.. inputs.Groups.Select(id => run.Groups[id])];
        return new CommittedStep(
            run.PhasePlan!, (int)(inputs.Step - run.PhaseStart) + 1, inputs, e.Outputs, e.Timings, trained, RewardReport.Of(run.Plan, inputs.Kind == PhaseKind.Grpo ? RewardTally.Of(run, inputs) : []),
            run.EvaluationOfVersion, Path.GetFileNameWithoutExtension(run.Plan.Evaluation?.Data.Path ?? ""), run.Counts.TokensSampled,
            trained.Sum(group => group.Completions.Sum(scored => (long)scored.Completion.Tokens.Length)))
        {
            Weights = run.RewardWeights,
            Objectives = inputs.Kind == PhaseKind.Grpo && run.Plan.HasObjectives ? ObjectiveLevel.Of(run, inputs) : [],
        };
    }
}
