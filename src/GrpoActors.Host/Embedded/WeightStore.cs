using GrpoActors.Core;
using GrpoActors.Engine;

namespace GrpoActors.Host.Embedded;

/// <summary>The published versions, in memory. Readers wait for a version; old ones are retired when no open group needs them.</summary>
internal sealed class WeightStore
{
    /// <summary>As much of retired weights may wait for the collector's own time.</summary>
    private const long GarbageBytesMax = 1L << 28;

    private readonly Dictionary<long, TaskCompletionSource<PolicyWeights?>> versions = [];
    private long retiredBelow, garbageBytes;

    public void Publish(PolicyWeights weights)
    {
        lock (versions)
        {
            Slot(weights.Version.Steps)?.TrySetResult(weights);
        }
    }

    /// <summary>The weights once they are published; null once they are retired: then whoever asks works on something that is settled.</summary>
    public Task<PolicyWeights?> Get(PolicyVersion version)
    {
        lock (versions)
        {
            return Slot(version.Steps)?.Task ?? Task.FromResult<PolicyWeights?>(null);
        }
    }

    /// <summary>Whether the version has been published, and perhaps retired since.</summary>
    public bool Has(PolicyVersion version)
    {
        lock (versions)
        {
            return version.Steps < retiredBelow || (versions.TryGetValue(version.Steps, out TaskCompletionSource<PolicyWeights?>? slot) && slot.Task.IsCompleted);
        }
    }

    public void RetireBelow(long version)
    {
        lock (versions)
        {
            retiredBelow = Math.Max(retiredBelow, version);
            foreach (long old in versions.Keys.Where(v => v < version).ToArray())
            {
                versions.Remove(old, out TaskCompletionSource<PolicyWeights?>? slot);
                if (slot is { Task.IsCompletedSuccessfully: true } published)
                {
                    garbageBytes += published.Task.Result!.Tensors.Sum(tensor => (long)tensor.Values.Length * sizeof(float));
                }

                slot?.TrySetResult(null);
            }

            if (garbageBytes > GarbageBytesMax)
            {
                // A step allocates little else, so the collector would let dozens of versions pile up before it looked.
                garbageBytes = 0;
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
            }
        }
    }

    private TaskCompletionSource<PolicyWeights?>? Slot(long version)
    {
        if (version < retiredBelow)
        {
            return null;
        }

        if (!versions.TryGetValue(version, out TaskCompletionSource<PolicyWeights?>? slot))
        {
            versions[version] = slot = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        return slot;
    }
}
