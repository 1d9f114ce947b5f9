using System.Diagnostics;
using Akka.Actor;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Engine.Training;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Actors.Learning;

/// <summary>
/// Holds the weights that learn, on the training thread. Its effects run one after the other in the order they were decided, so a checkpoint or a publication of a version sees that version.
/// Each incarnation is built from checkpoint and journal.
/// </summary>
/// <remarks>building -> (tells that it stands: what the one before was asked is asked again) training</remarks>
internal sealed class TrainingActor : EngineActor
{
    private readonly ILogger log;
    private readonly ICheckpointStore checkpoints;
    private readonly bool acceptLostTail;
    private ITrainer engine = null!;
    private StepTraining training = null!;
    private Effect.WriteCheckpoint? asked; // the last one that was written,
    private Command.CheckpointDone? written; // and its answer
    private Command.SentinelTripped? tripped; // the weights may lie between two updates of a step: only a rollback or a fresh start mends them

    public TrainingActor(WorkerServices services, string name, bool acceptLostTail)
        : base(services, name)
    {
        log = services.Logs.CreateLogger(name);
        checkpoints = services.Checkpoints!;
        this.acceptLostTail = acceptLostTail;
        Receive<Build>(_ => Rebuild());
        Receive<Effect>(CarryOut);
    }

    protected override void PreStart()
    {
        base.PreStart();
        Self.Tell(new Build());
    }

    protected override void PostStop()
    {
        Dispose();
        base.PostStop();
    }

    private void Dispose()
    {
        engine?.Dispose();
        engine = null!;
    }

    private void Rebuild()
    {
        Dispose();
        tripped = null;
        var recovery = Recovery.Fold(Services.Setup.Plan.Identity, Services.Journal.OpenForReading, checkpoints, acceptLostTail, static _ => { }, NullLogger.Instance, Services.Fence); // of a lost tail the run itself tells
        engine = recovery.Rebuild(Services.Setup, Publish, log, Services.Stopping, out training);
        Post(new Command.TrainerRestarted());
    }

    private void CarryOut(Effect effect)
    {
        switch (effect)
        {
            case Effect.WriteCheckpoint { IsLast: true } x when tripped is not null || x.Step < training.Version.Steps:
                Rebuild(); // it stands beyond the version that is asked for, with a step that will never be committed
                break;
            case Effect.RollBack x:
                training.RollBack(x.Step, x.To);
                tripped = null;
                break;
            case Effect.RetireCheckpoints x:
                checkpoints.RetireAllBut(x.Kept);
                break;
            case Effect.PublishVersion x when Services.Weights.Has(x.Version):
                Post(new Command.VersionPublished(x.Version));
                break;
            case Effect.TrainBatch x when tripped?.Step == x.Batch.Inputs.Step:
                Post(tripped);
                break;
            case { } when tripped is not null:
                break;
            case Effect.BeginPhase x when x.Phase <= training.Phase:
                break; // begun already: replayed from the journal
            case Effect.BeginPhase x:
                training.BeginPhase(x.Phase, x.ResetOptimizer, x.KeepReference);
                break;
            case Effect.TrainBatch x when x.Batch.Inputs.Step == training.Version.Steps:
                Train(x);
                break;
            case Effect.TrainBatch x when x.Batch.Inputs.Step == training.Version.Steps - 1 && training.Last is { } last:
                Post(new Command.BatchTrained(x.Batch.Inputs.Step, last, new StepTimings(TimeSpan.Zero, TimeSpan.Zero)));
                break;
            case Effect.PublishVersion x when x.Version == training.Version:
                Publish(engine.Publish(x.Version, training.Policy));
                break;
            case Effect.WriteCheckpoint x when asked is { } before && before with { Position = x.Position } == x:
                Post(written!); // asked twice, it is written once
                break;
            case Effect.WriteCheckpoint x when x.Step == training.Version.Steps:
                RequirePhase(x.Phase);
                CheckpointManifest manifest = checkpoints.Write(new CheckpointMark(x.Step, x.Chain, x.Position, x.Policy), engine.Capture());
                (asked, written) = (x, new Command.CheckpointDone(x.Step, manifest.Folder, manifest.Digest, manifest.WeightsSha256, manifest.OptimizerSha256));
                Post(written);
                break;
            default:
                log.EffectPassedOver(training.Version, effect!.GetType().Name);
                break;
        }
    }

    /// <summary>The beginning of a phase can be lost on its way here, and the digest of the policy does not cover the optimiser and the reference that it changes.</summary>
    /// <exception cref="InvalidOperationException">It was lost: this trainer must be built again from the journal, which holds it.</exception>
    private void RequirePhase(int phase)
    {
        if (phase != training.Phase)
        {
            throw new InvalidOperationException($"the trainer is in phase {training.Phase}, and the journal in phase {phase}");
        }
    }

    /// <exception cref="InvalidOperationException">This trainer is on another course than the journal: it must be built again.</exception>
    private void Train(Effect.TrainBatch asked)
    {
        if (asked.Policy != training.Policy)
        {
            throw new InvalidOperationException($"the trainer holds {training.Version} as {training.Policy}, and the journal says {asked.Policy}");
        }

        RequirePhase(asked.Batch.Inputs.Phase);
        long step = asked.Batch.Inputs.Step;
        try
        {
            using Activity? activity = RunInstruments.Activities.StartActivity("grpo.train")?.SetTag("grpo.step", step + 1);
            long started = Stopwatch.GetTimestamp();
            StepOutputs outputs = training.Train(asked.Batch, Services.Stopping);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(started);
            Services.Instruments.TrainingDuration.Record(elapsed.TotalSeconds);
            Post(new Command.BatchTrained(step, outputs, new StepTimings(elapsed, TimeSpan.Zero)));
        }
        catch (StepFailedException failure)
        {
            log.StepUntrainable(step + 1, failure.Message);
            tripped = new Command.SentinelTripped(step, asked.Batch.Digest, failure.Message);
            Post(tripped);
        }
    }

    private void Publish(PolicyWeights policy)
    {
        Services.Weights.Publish(policy);
        Post(new Command.VersionPublished(policy.Version));
    }

    private sealed record Build;
}
