using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>What stands around stages, journal, disk and workers: nothing, here. A test seeds a defect by putting something there.</summary>
internal class Rig
{
    public static Rig Sound { get; } = new();

    /// <summary>False: effects run while their events are still being appended.</summary>
    public virtual bool EffectsWaitForTheAppend => true;

    /// <summary>False: a coordinator that starts again believes what the one before it remembered.</summary>
    public virtual bool MemoriesDieWithTheCoordinator => true;

    public virtual Decider Decide(Decider decider, Command? command) => command is null ? decider.Resume() : decider.Handle(command);

    public virtual bool CanDelayCommit(Decider decider) => decider.CanDelayCommit;

    public virtual Decider Take(Decider decider, out DecidedBatch batch) => decider.Take(out batch);

    public virtual IJournalProvider Around(SimulatedJournal journal) => journal;

    public virtual IDisk Around(IDisk disk) => disk;

    public virtual ICheckpointStore Around(ICheckpointStore checkpoints) => checkpoints;

    public virtual IEngine Around(IEngine engine) => engine;

    /// <summary>What a generator sends for a ticket.</summary>
    public virtual ImmutableArray<Completion> Sampled(WorkerId generator, Ticket ticket, ImmutableArray<Completion> completions) => completions;

    /// <summary>What the trainer publishes.</summary>
    public virtual PolicyWeights Published(PolicyWeights weights) => weights;
}

/// <summary>A rig with what one simulation remembers: built anew for each.</summary>
internal delegate Rig RigMaker();
