using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Engine.Training;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Workers;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;
using Microsoft.Extensions.Logging.Abstractions;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>
/// Holds the weights that learn and those that are published. Its messages may be lost or come late, so it compares each effect with where it stands
/// (version, phase, policy) and builds itself again from checkpoint and journal where it has fallen behind.
/// </summary>
internal sealed class Trainer(SimulatedRun simulation) : Process(simulation, "trainer")
{
    private readonly Queue<Effect> mailbox = new();
    private readonly Dictionary<long, PolicyWeights> published = [];
    private ITrainer? engine;
    private StepTraining? training;
    private ICheckpointStore? checkpoints;
    private Command.SentinelTripped? tripped; // weights may lie between two updates: only a rollback or a fresh start mends them
    private int phase;
    private bool busy;

    /// <summary>What its weight server hands out.</summary>
    public PolicyWeights? Weights(PolicyVersion version) => IsUp ? published.GetValueOrDefault(version.Steps) : null;

    public void RetireBelow(long version)
    {
        foreach (long old in published.Keys.Where(v => v < version).ToArray())
        {
            published.Remove(old);
        }
    }

    public void Receive(Effect effect)
    {
        mailbox.Enqueue(effect);
        if (!busy)
        {
            Next();
        }
    }

    protected override void Begin()
    {
        checkpoints = Simulation.OpenCheckpoints();
        Build();
    }

    protected override void End()
    {
        mailbox.Clear();
        published.Clear();
        engine = null;
        training = null;
        busy = false;
    }

    private void Build()
    {
        busy = true;
        tripped = null;
        if (Simulation.Recovery is not { } recovery)
        {
            After(TimeSpan.FromSeconds(1), Build); // nobody has opened the journal yet
            return;
        }

        Simulation.CheckpointsAreRead();
        long from = checkpoints!.Steps().Where(step => step <= Simulation.Audit.Version).DefaultIfEmpty(0).Max(), replayed = Simulation.Audit.Version - from;
        try
        {
            engine = recovery.Rebuild(Simulation.Setup, Publish, NullLogger.Instance, CancellationToken.None, out training);
        }
        catch (RunFailedException otherBits)
        {
            throw new Violation(otherBits.Message, otherBits);
        }

        phase = recovery.Run.Phase;
        After(TimeSpan.FromSeconds(1 + (0.05 * replayed)), () =>
        {
            Simulation.Post(this, new Command.TrainerRestarted());
            foreach (long version in published.Keys)
            {
                Simulation.Post(this, new Command.VersionPublished(new PolicyVersion(version)));
            }

            busy = false;
            Next();
        });
    }

    private void BuildAgain()
    {
        Simulation.Rebuilds++;
        published.Clear();
        Build();
    }

    private void Next()
    {
        if (busy || !mailbox.TryDequeue(out Effect? effect))
        {
            return;
        }

        busy = true;
        After(Length(effect), () =>
        {
            bool isKilled = Simulation.Strikes(FaultKind.KillTrainer, out Fault kill);
            if (isKilled && kill.Choice % 3 == 0)
            {
                Restart(Pause());
                return;
            }

            busy = false;
            List<Command>? answers = Survive(() => Carry(effect));
            if (isKilled)
            {
                Restart(Pause());
            }
            else if (answers is not null)
            {
                answers.ForEach(answer => Simulation.Post(this, answer));
                Next();
            }
        });
    }

    /// <summary>Null: the process did not survive.</summary>
    private List<Command>? Survive(Func<List<Command>> carry)
    {
        try
        {
            return carry();
        }
        catch (ProcessKilled)
        {
            return null; // by the power; who cut it starts everything again
        }
        catch (StorageException) when (Simulation.Disk.IsFull)
        {
            Restart(Pause());
            return null;
        }
    }

    private List<Command> Carry(Effect effect)
    {
        StepTraining at = training!;
        switch (effect)
        {
            case Effect.RollBack x when x.Step == at.Version.Steps || (x.Step == at.Version.Steps - 1 && at.Policy != x.Policy):
                at.RollBack(x.Step, x.To);
                tripped = null;
                return [];
            case Effect.RetireCheckpoints x:
                checkpoints!.RetireAllBut(x.Kept);
                return [];
            case Effect.PublishVersion x when published.ContainsKey(x.Version.Steps):
                return [new Command.VersionPublished(x.Version)];
            case Effect.TrainBatch x when tripped?.Batch == x.Batch.Digest:
                return [tripped];
            case Effect when tripped is not null:
                BuildAgain();
                return [];
            case Effect.BeginPhase x when x.Phase <= phase:
                return [];
            case Effect.BeginPhase x when x.Phase == phase + 1:
                at.BeginPhase(x.Phase, x.ResetOptimizer, x.KeepReference);
                phase = x.Phase;
                return [];
            case Effect.TrainBatch x when x.Batch.Inputs.Step == at.Version.Steps && x.Policy == at.Policy && x.Batch.Inputs.Phase == phase:
                return Train(x.Batch);
            case Effect.TrainBatch x when x.Batch.Inputs.Step == at.Version.Steps - 1 && at.Last is { } last && last.Batch == x.Batch.Digest:
                return [Trained(x.Batch, last)];
            case Effect.PublishVersion x when x.Version == at.Version && x.Policy == at.Policy:
                Publish(engine!.Publish(x.Version, at.Policy));
                return [new Command.VersionPublished(x.Version)];
            case Effect.WriteCheckpoint x when x.Step == at.Version.Steps && x.Policy == at.Policy && x.Phase == phase:
                Simulation.CheckpointBegins();
                CheckpointManifest manifest = checkpoints!.Write(new CheckpointMark(x.Step, x.Chain, x.Position, x.Policy), engine!.Capture());
                Simulation.CheckpointIsWritten(manifest.Mark);
                return [new Command.CheckpointDone(x.Step, manifest.Folder, manifest.Digest, manifest.WeightsSha256, manifest.OptimizerSha256)];
            default:
                if (HasFallenBehind(effect, at))
                {
                    BuildAgain();
                }

                return [];
        }
    }

    private bool HasFallenBehind(Effect effect, StepTraining at) => effect switch
    {
        Effect.BeginPhase => true,
        Effect.TrainBatch x => x.Batch.Inputs.Step >= at.Version.Steps - 1 && x.Batch.Inputs.Step >= Simulation.Audit.Version,
        Effect.PublishVersion x => x.Version >= at.Version || Simulation.IsNeeded(x.Version),
        Effect.WriteCheckpoint x => (x.Step >= at.Version.Steps && x.Phase >= phase) || (x.IsLast && x.Step == Simulation.Audit.Version),
        Effect.RollBack x => x.Step > at.Version.Steps,
        _ => false,
    };

    private List<Command> Train(TrainingBatch batch)
    {
        try
        {
            return [Trained(batch, training!.Train(batch, CancellationToken.None))];
        }
        catch (StepFailedException failed)
        {
            tripped = new Command.SentinelTripped(batch.Inputs.Step, batch.Digest, failed.Message);
            return [tripped];
        }
    }

    private static Command.BatchTrained Trained(TrainingBatch batch, StepOutputs outputs) => new(batch.Inputs.Step, outputs, new StepTimings(TimeSpan.Zero, TimeSpan.Zero));

    private void Publish(PolicyWeights weights)
    {
        PolicyWeights given = Simulation.Rig.Published(weights);
        long version = given.Version.Steps;
        World.Audit audit = Simulation.Audit;
        if (version > audit.Version)
        {
            throw new Violation($"v{version} is published, and its step is not durable");
        }

        if (audit.PolicyOf(version) != given.Policy || audit.WeightsOf(version) != FakeTrainer.ContentOf(given.Tensors))
        {
            throw new Violation($"v{version} is published with other weights than its step gave");
        }

        published[version] = given;
    }

    private TimeSpan Length(Effect effect)
    {
        double seconds = effect switch
        {
            Effect.TrainBatch => 0.5 + Simulation.Random.NextDouble(),
            Effect.WriteCheckpoint => 0.3 + Simulation.Random.NextDouble(),
            _ => 0.01,
        };
        if (effect is Effect.WriteCheckpoint && Simulation.Strikes(FaultKind.CheckpointDiskSlow, out Fault slow))
        {
            seconds += 20 + (slow.Choice % 100);
            Simulation.QuietUntil(Simulation.Now + TimeSpan.FromSeconds(seconds));
        }

        return TimeSpan.FromSeconds(seconds);
    }

    private TimeSpan Pause() => TimeSpan.FromSeconds(1 + Simulation.Random.Next(5));
}
