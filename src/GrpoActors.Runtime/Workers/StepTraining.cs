using GrpoActors.Core;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Engine.Training;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Workers;

/// <summary>Steps applied to a trainer, one after the other; live and in replay alike.</summary>
internal sealed class StepTraining(RunSetup setup, ITrainer engine, ICheckpointStore checkpoints, PolicyVersion version, Digest policy)
{
    private readonly StepTrainer steps = new(engine, new SeedTree(setup.Plan.Identity.Seed), setup.Plan.Operation.MicroBatchTokens);

    public PolicyVersion Version { get; private set; } = version;

    public Digest Policy { get; private set; } = policy;

    /// <summary>What the last step gave.</summary>
    public StepOutputs? Last { get; private set; }

    /// <summary>The phase that has begun: its optimiser is reset and its reference kept, where it asks for that; -1 before the first.</summary>
    public int Phase { get; private set; } = -1;

    /// <summary>The engine's state is that of a run in this phase already: a checkpoint holds it.</summary>
    public void Begun(int phase) => Phase = Math.Max(Phase, phase);

    public void BeginPhase(int phase, bool resetOptimizer, bool keepReference)
    {
        Phase = phase;
        if (resetOptimizer)
        {
            engine.ResetOptimizer();
        }

        if (keepReference)
        {
            engine.KeepReference();
        }
    }

    public StepOutputs Train(TrainingBatch batch, CancellationToken stop)
    {
        StepInputs inputs = batch.Inputs;
        PhasePlan phase = setup.Plan.Identity.Phases[inputs.Phase];
        PromptTable rows = setup.Phases[inputs.Phase];
        StepOutputs outputs = phase.Kind == PhaseKind.Sft
            ? steps.TrainSupervised(batch, phase.Optimizer, rows.Examples(setup.Plan.Identity.Seed, inputs), Policy, stop)
            : steps.Train(batch, phase, rows.Prompt, Policy, setup.Rewards.Names, stop);
        double share = phase.Group?.Objective.Reference.MixAfter(inputs.Step + 1 - setup.Plan.Identity.PhaseStart(inputs.Phase)) ?? 0;
        if (share > 0)
        {
            engine.MixReference(share);
        }

        Version = Version.Next;
        Policy = outputs.Policy;
        Last = outputs;
        return outputs;
    }

    /// <summary>Does again what the journal says was done before <paramref name="e"/> became durable.</summary>
    /// <exception cref="RunFailedException">A step gives other bits than the journal records.</exception>
    public void Replay(RunState before, RunEvent e, CancellationToken stop)
    {
        switch (e)
        {
            case RunEvent.PhaseStarted x:
                BeginPhase(x.Phase, x.OptimizerReset, x.Reference is not null);
                break;
            case RunEvent.StepCommitted x:
                StepOutputs outputs = Train(BatchOf.Step(before, x.Inputs), stop);
                if (outputs.Update != x.Outputs.Update || outputs.Policy != x.Outputs.Policy)
                {
                    throw new RunFailedException(
                        $"Step {x.Inputs.Step + 1} trained again gives other bits ({outputs.Update}) than the journal records ({x.Outputs.Update}): engine, data or journal are not what they were.");
                }

                break;
            case RunEvent.RolledBack x:
                RollBack(x.Step, x.To);
                break;
            default:
                break;
        }
    }

    /// <summary>Whether or not step <paramref name="step"/> was trained before it was given up, version step + 1 is the checkpoint of <paramref name="to"/>.</summary>
    public void RollBack(long step, long to)
    {
        FoundCheckpoint? found = checkpoints.Scan().FirstOrDefault(checkpoint => checkpoint.Step == to);
        if (found is not FoundCheckpoint.Intact intact)
        {
            string state = found is FoundCheckpoint.Damaged damaged ? $"is damaged: {damaged.Why}" : "is not there: restore it from a copy, or start over with --fresh.";
            throw new StorageException($"The checkpoint of step {to}, which the run returns to, {state}");
        }

        engine.Restore(checkpoints.Load(intact.Manifest));
        Version = new PolicyVersion(step + 1);
        Policy = intact.Manifest.Mark.Policy;
        Last = null;
    }
}
