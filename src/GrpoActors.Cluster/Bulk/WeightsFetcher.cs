using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cluster.Bulk;

/// <summary>Brings a version's weights onto this node, once however many ask, and publishes them to its workers. Thread-safe; one a process.</summary>
/// <param name="store">What the workers of this process read. A version that is there already (its trainer lives here) is not brought.</param>
internal sealed class WeightsFetcher(BulkClient client, WeightStore store, ModelSpec spec) : IDisposable
{
    private readonly ModelLayout layout = new(spec);
    private readonly Lock gate = new();
    private readonly Dictionary<long, Download> downloads = [];
    private long retiredBelow;

    /// <summary>The weights of this version once they are published here. Who stops waiting does not stop the download.</summary>
    /// <param name="weights">Another address for a version that is under way is used when the first one fails.</param>
    /// <exception cref="BulkException">It cannot be had, is retired, or belongs to another model.</exception>
    public async Task<PolicyWeights> GetAsync(WeightsRef weights, CancellationToken cancellation)
    {
        Task<PolicyWeights> bringing;
        lock (gate)
        {
            if (weights.Version.Steps < retiredBelow)
            {
                throw Retired(weights.Version);
            }

            if (store.Has(weights.Version))
            {
                return store.Keep(weights.Version) ?? throw Retired(weights.Version);
            }

            if (downloads.TryGetValue(weights.Version.Steps, out Download? running) && !running.Task.IsCompleted)
            {
                running.Latest = weights;
            }
            else
            {
                var started = new Download(weights);
                downloads[weights.Version.Steps] = running = started;
                started.Task = Task.Run(() => Bring(started), CancellationToken.None);
            }

            bringing = running.Task;
        }

        return await bringing.WaitAsync(cancellation);
    }

    /// <summary>Downloads of older versions end.</summary>
    public void RetireBelow(PolicyVersion version)
    {
        lock (gate)
        {
            retiredBelow = Math.Max(retiredBelow, version.Steps);
            foreach ((long old, Download download) in downloads.Where(pair => pair.Key < version.Steps).ToArray())
            {
                downloads.Remove(old);
                download.Ended.Cancel();
            }
        }

        store.RetireBelow(version.Steps);
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (Download download in downloads.Values)
            {
                download.Ended.Cancel();
            }
        }
    }

    private async Task<PolicyWeights> Bring(Download download)
    {
        for (; ; )
        {
            WeightsRef from = download.Latest;
            try
            {
                PolicyWeights weights = await Bring(from, download.Ended.Token);
                lock (gate)
                {
                    downloads.Remove(from.Version.Steps);
                    store.Publish(weights);
                }

                return weights;
            }
            catch (OperationCanceledException) when (download.Ended.IsCancellationRequested)
            {
                throw Retired(from.Version);
            }
            catch (BulkException) when (!download.Latest.Equals(from))
            {
                // The trainer's node went, and another one has the version.
            }
        }
    }

    private async Task<PolicyWeights> Bring(WeightsRef from, CancellationToken cancellation)
    {
        ContentRef served = from.Served?.Content ?? throw new BulkException($"The weights of version {from.Version.Steps} are said to lie in this process, and do not.");
        var bytes = new TensorBytes(layout.Tensors.Select(tensor => new NamedTensor(tensor.Name, tensor.Shape, GC.AllocateUninitializedArray<float>(tensor.Length))));
        if (served.LengthBytes != bytes.LengthBytes)
        {
            throw new BulkException($"The weights of version {from.Version.Steps} at {served.At} take {served.LengthBytes} bytes, and the model of this node {bytes.LengthBytes}: they are those of another model.");
        }

        using var to = new TensorBytesStream(bytes);
        await client.DownloadAsync(served, to, cancellation);
        return new PolicyWeights(from.Version, from.Served.Policy, bytes.Tensors);
    }

    private static BulkException Retired(PolicyVersion version) => new($"The weights of version {version.Steps} are retired: nothing needs them any more.");

    private sealed class Download(WeightsRef first)
    {
        public CancellationTokenSource Ended { get; } = new();

        public Task<PolicyWeights> Task { get; set; } = null!;

        public volatile WeightsRef Latest = first;
    }
}
