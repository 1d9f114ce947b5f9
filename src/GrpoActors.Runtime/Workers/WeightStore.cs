using GrpoActors.Core;
using GrpoActors.Engine;

namespace GrpoActors.Runtime.Workers;

/// <summary>The published versions, in memory. Readers wait for a version and hold it while they read; old ones are retired when no open group needs them, and given back when the last reader has let go.</summary>
internal sealed class WeightStore
{
    private readonly Dictionary<long, Slot> versions = [];
    private readonly Dictionary<long, Slot> retired = []; // and still read by somebody
    private long retiredBelow;

    public void Publish(PolicyWeights weights)
    {
        lock (versions)
        {
            if (SlotOf(weights.Version.Steps) is { } slot && slot.Publish(weights))
            {
                return;
            }
        }

        weights.Memory?.Dispose(); // retired before it came, or published already
    }

    /// <summary>The weights once they are published; null once they are retired: then whoever asks works on something that is settled. Whoever gets them says when they are read (<see cref="Release"/>).</summary>
    public async Task<PolicyWeights?> Hold(PolicyVersion version, CancellationToken stop)
    {
        Task<PolicyWeights?> published;
        lock (versions)
        {
            published = SlotOf(version.Steps)?.Published ?? Task.FromResult<PolicyWeights?>(null);
        }

        PolicyWeights? weights = await published.WaitAsync(stop);
        lock (versions)
        {
            if (weights is null || !versions.TryGetValue(version.Steps, out Slot? slot))
            {
                return null;
            }

            slot.Readers++;
            return weights;
        }
    }

    /// <summary>
    /// The weights if they are published and not retired: for a reader that does not say when it is done, such as a server whose downloads go on after the version is retired.
    /// Their memory is left to the collector, and nobody writes over it.
    /// </summary>
    public PolicyWeights? Keep(PolicyVersion version)
    {
        lock (versions)
        {
            return versions.GetValueOrDefault(version.Steps)?.Keep();
        }
    }

    /// <summary>One reader of a version lets go of it.</summary>
    public void Release(PolicyWeights weights)
    {
        lock (versions)
        {
            Slot slot = versions.GetValueOrDefault(weights.Version.Steps) ?? retired[weights.Version.Steps];
            slot.Readers--;
            GiveBackIfOver(weights.Version.Steps, slot);
        }
    }

    /// <summary>Whether the version has been published, and perhaps retired since.</summary>
    public bool Has(PolicyVersion version)
    {
        lock (versions)
        {
            return version.Steps < retiredBelow || (versions.TryGetValue(version.Steps, out Slot? slot) && slot.Published.IsCompleted);
        }
    }

    /// <summary>Done once the version is retired.</summary>
    public Task Retired(PolicyVersion version)
    {
        lock (versions)
        {
            return SlotOf(version.Steps)?.Retired ?? Task.CompletedTask;
        }
    }

    public void RetireBelow(long version)
    {
        lock (versions)
        {
            retiredBelow = Math.Max(retiredBelow, version);
            foreach (long old in versions.Keys.Where(v => v < version).ToArray())
            {
                versions.Remove(old, out Slot? slot);
                slot!.Retire();
                retired[old] = slot;
                GiveBackIfOver(old, slot);
            }
        }
    }

    private void GiveBackIfOver(long version, Slot slot)
    {
        if (slot.Readers == 0 && retired.Remove(version))
        {
            slot.GiveBack();
        }
    }

    private Slot? SlotOf(long version)
    {
        if (version < retiredBelow)
        {
            return null;
        }

        if (!versions.TryGetValue(version, out Slot? slot))
        {
            versions[version] = slot = new Slot();
        }

        return slot;
    }

    private sealed class Slot
    {
        private readonly TaskCompletionSource<PolicyWeights?> published = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private PolicyWeights? weights;
        private bool kept;

        public int Readers { get; set; }

        public Task<PolicyWeights?> Published => published.Task;

        public Task Retired => over.Task;

        /// <returns>False: there were weights already.</returns>
        public bool Publish(PolicyWeights made)
        {
            if (!published.TrySetResult(made))
            {
                return false;
            }

            weights = made;
            return true;
        }

        public void Retire()
        {
            published.TrySetResult(null);
            over.TrySetResult();
        }

        public PolicyWeights? Keep()
        {
            kept = true;
            return weights;
        }

        public void GiveBack()
        {
            if (!kept)
            {
                weights?.Memory?.Dispose();
            }
        }
    }
}
