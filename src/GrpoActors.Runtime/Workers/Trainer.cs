using System.Collections.Immutable;
using System.Diagnostics;
using System.Threading.Channels;
using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Engine.Training;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Runtime.Workers;

/// <summary>
/// Holds the weights that learn. Its effects run one after the other in the order they were decided, so a checkpoint or a publication of a version
/// sees that version. Built from checkpoint and journal at every start.
/// </summary>
/// <param name="standsIn">Another trainer was asked before this one: it says that it has been built, so that what that one was asked is asked again.</param>
internal sealed class Trainer(RunSetup setup, Recovery recovery, ICheckpointStore checkpoints, WeightStore weights, Action<Command> post, ILogger log, bool standsIn = false)
{
    private volatile Channel<Effect> mailbox = Channel.CreateUnbounded<Effect>();
    private bool restarted = standsIn;
    private Command.SentinelTripped? tripped; // the weights may lie between two updates of a step: nothing but a rollback or a fresh start mends them

    public void Send(Effect effect) => mailbox.Writer.TryWrite(effect);

    public void Work(CancellationToken stop)
    {
        if (restarted)
        {
            mailbox = Channel.CreateUnbounded<Effect>(); // what the crashed one was asked is asked again
        }

        while (!Serve(stop))
        {
            // it stands beyond the version that was asked for: built again
        }
    }

    /// <returns>False: its weights are those of a step that will never be committed, and the version before it is wanted.</returns>
    private bool Serve(CancellationToken stop)
    {
        tripped = null;
        using ITrainer engine = recovery.Rebuild(setup, Publish, log, stop, out StepTraining training);
        if (restarted)
        {
            post(new Command.TrainerRestarted());
        }

        restarted = true;
        while (true)
        {
            Effect effect = mailbox.Reader.ReadAsync(stop).AsTask().GetAwaiter().GetResult();
            if (effect is Effect.WriteCheckpoint { IsLast: true } wanted && (tripped is not null || wanted.Step < training.Version.Steps))
            {
                return false;
            }

            Carry(effect, engine, training, stop);
        }
    }

    private void Carry(Effect effect, ITrainer engine, StepTraining training, CancellationToken stop)
    {
        switch (effect)
        {
            case Effect.RollBack x:
                training.RollBack(x.Step, x.To);
                tripped = null;
                break;
            case Effect.RetireCheckpoints x:
                checkpoints.RetireAllBut(x.Kept);
                break;
            case Effect.PublishVersion x when weights.Has(x.Version):
                post(new Command.VersionPublished(x.Version));
                break;
            case Effect.TrainBatch x when tripped?.Step == x.Batch.Inputs.Step:
                post(tripped);
                break;
            case { } when tripped is not null:
                break;
            case Effect.BeginPhase x:
                training.BeginPhase(x.ResetOptimizer, x.KeepReference);
                break;
            case Effect.TrainBatch x when x.Batch.Inputs.Step == training.Version.Steps:
                Train(x, training, stop);
                break;
            case Effect.TrainBatch x when x.Batch.Inputs.Step == training.Version.Steps - 1 && training.Last is { } last:
                post(new Command.BatchTrained(x.Batch.Inputs.Step, last, new StepTimings(TimeSpan.Zero, TimeSpan.Zero)));
                break;
            case Effect.PublishVersion x when x.Version == training.Version:
                Publish(engine.Publish(x.Version, training.Policy));
                break;
            case Effect.WriteCheckpoint x when x.Step == training.Version.Steps:
                CheckpointManifest manifest = checkpoints.Write(new CheckpointMark(x.Step, x.Chain, x.Position, x.Policy), engine.Capture());
                post(new Command.CheckpointDone(x.Step, manifest.Folder, manifest.Digest, manifest.WeightsSha256, manifest.OptimizerSha256));
                break;
            default:
                log.LogDebug("The trainer is at {Version}; {Effect} is for another one and is passed over", training.Version, effect!.GetType().Name);
                break;
        }
    }

    /// <exception cref="InvalidOperationException">This trainer is on another course than the journal: it must be built again.</exception>
    private void Train(Effect.TrainBatch asked, StepTraining training, CancellationToken stop)
    {
        if (asked.Policy != training.Policy)
        {
            throw new InvalidOperationException($"the trainer holds {training.Version} as {training.Policy}, and the journal says {asked.Policy}");
        }

        long step = asked.Batch.Inputs.Step;
        try
        {
            long started = Stopwatch.GetTimestamp();
            StepOutputs outputs = training.Train(asked.Batch, stop);
            post(new Command.BatchTrained(step, outputs, new StepTimings(Stopwatch.GetElapsedTime(started), TimeSpan.Zero)));
        }
        catch (StepFailedException failure)
        {
            log.LogWarning("Step {Step} cannot be trained: {Reason}", step, failure.Message);
            tripped = new Command.SentinelTripped(step, asked.Batch.Digest, failure.Message);
            post(tripped);
        }
    }

    private void Publish(PolicyWeights policy)
    {
        weights.Publish(policy);
        post(new Command.VersionPublished(policy.Version));
    }
}
