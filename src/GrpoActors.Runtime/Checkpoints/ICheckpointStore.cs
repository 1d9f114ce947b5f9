using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.Checkpoints;

/// <summary>Everything that training mutates, at one step, on disk. A checkpoint counts when it is whole and under its final name, and never before.</summary>
/// <remarks>One writer at a time; reading at the same time is fine.</remarks>
public interface ICheckpointStore
{
    /// <summary>Writes it aside, flushes it, renames it. An older one of the same step is replaced.</summary>
    /// <exception cref="StorageException">Disk full or the like. What was there before is untouched.</exception>
    CheckpointManifest Write(CheckpointMark mark, TrainerState state);

    /// <summary>Steps of the checkpoints that are there, whole or not, newest first.</summary>
    IReadOnlyList<long> Steps();

    /// <summary>What is there, newest step first. Every byte of each is read and hashed when the enumeration comes to it, so stop at the first one wanted.</summary>
    IEnumerable<FoundCheckpoint> Scan();

    /// <summary>Reads it and checks every byte once more against the manifest.</summary>
    /// <exception cref="StorageException">It is damaged or gone.</exception>
    TrainerState Load(CheckpointManifest manifest);

    /// <summary>Deletes the checkpoint of this step, if there is one. Only after the append that retires it.</summary>
    void Retire(long step);

    /// <summary>Deletes what is older than the newest of these and not among them. Only after the append that retires it; a second time it finds nothing.</summary>
    void RetireAllBut(IReadOnlyCollection<long> kept)
    {
        foreach (long step in Steps().Where(step => kept.Count > 0 && step < kept.Max() && !kept.Contains(step)))
        {
            Retire(step);
        }
    }
}

/// <summary>Where in the run a checkpoint stands.</summary>
/// <param name="Step">Committed steps; also the version of the weights inside.</param>
/// <param name="Chain">The ledger's value after them.</param>
/// <param name="Position">Events folded when it was taken: the journal must hold at least these.</param>
/// <param name="Policy">Digest of the version.</param>
/// <param name="Reference">Digest of the version kept as reference; null where none is.</param>
public sealed record CheckpointMark(long Step, Digest Chain, long Position, Digest Policy, Digest? Reference = null);

/// <summary>What <c>manifest.json</c> says. It is written last.</summary>
/// <param name="Folder">Name of the checkpoint's folder, for example <c>step-000200</c>.</param>
/// <param name="OptimizerSteps">Optimiser updates so far.</param>
/// <param name="WeightsSha256">Over the tensors, as the engine's <c>WeightsDigest</c> says; the format of the file does not enter.</param>
/// <param name="OptimizerSha256">The same over the moments, then the counter.</param>
/// <param name="Digest">SHA-256 of the manifest's own bytes: what the journal records.</param>
public sealed record CheckpointManifest(
    CheckpointMark Mark, string Folder, long OptimizerSteps, Digest WeightsSha256, Digest OptimizerSha256, IReadOnlyList<CheckpointFile> Files, Digest Digest);

/// <param name="Name">Relative to the checkpoint's folder.</param>
/// <param name="Role"><c>weights</c>, <c>optimizer</c> or <c>reference</c>.</param>
public sealed record CheckpointFile(string Name, string Role, long LengthBytes, Digest Sha256);

/// <summary>A checkpoint that lies on disk.</summary>
public abstract record FoundCheckpoint(long Step)
{
    /// <summary>Every byte agrees with the manifest.</summary>
    public sealed record Intact(long Step, CheckpointManifest Manifest) : FoundCheckpoint(Step);

    /// <param name="Why">One sentence.</param>
    public sealed record Damaged(long Step, string Why) : FoundCheckpoint(Step);
}
