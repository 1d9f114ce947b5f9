using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;

namespace GrpoActors.Actors.Learning;

/// <summary>This node's lease on the trainer's work, by its own clock. Thread-safe.</summary>
internal sealed class TrainerLease(TimeProvider time)
{
    private readonly Lock gate = new();
    private long term, askedAt;
    private TimeSpan duration;

    /// <summary>0: none yet.</summary>
    public long Term
    {
        get
        {
            lock (gate)
            {
                return term;
            }
        }
    }

    public bool Holds
    {
        get
        {
            lock (gate)
            {
                return term > 0 && (duration == Timeout.InfiniteTimeSpan || time.GetElapsedTime(askedAt) < duration);
            }
        }
    }

    /// <param name="asked">When it was asked for, by this clock.</param>
    public void Grant(long granted, long asked, TimeSpan lasts)
    {
        lock (gate)
        {
            (term, askedAt, duration) = (granted, asked, lasts);
        }
    }

    public void Drop()
    {
        lock (gate)
        {
            duration = TimeSpan.Zero;
        }
    }

    /// <exception cref="StorageException">The lease has run out: somebody else may be the trainer.</exception>
    public void Require()
    {
        if (!Holds)
        {
            throw new StorageException("The trainer's lease has run out; it writes and deletes nothing until it has it again.");
        }
    }
}

/// <summary>Writes and deletes under the lease alone: a trainer that was frozen finds out before it touches a file.</summary>
internal sealed class LeasedCheckpoints(ICheckpointStore inner, TrainerLease lease) : ICheckpointStore
{
    public CheckpointManifest Write(CheckpointMark mark, TrainerState state)
    {
        lease.Require();
        return inner.Write(mark, state);
    }

    public IReadOnlyList<long> Steps() => inner.Steps();

    public IEnumerable<FoundCheckpoint> Scan() => inner.Scan();

    public TrainerState Load(CheckpointManifest manifest) => inner.Load(manifest);

    public void Retire(long step)
    {
        lease.Require();
        inner.Retire(step);
    }
}
