using System.Collections.Immutable;
using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Engine;

namespace GrpoActors.Cluster.Bulk;

/// <param name="ContentsBytesMax">Contents of more bytes than these are never held together: the oldest go.</param>
/// <param name="ContentsAgeMax">An older content goes at the next <see cref="ContentStore.Put"/>: whoever wanted it has it, or samples anew.</param>
internal sealed record ContentStoreOptions(long ContentsBytesMax = 1L << 30, TimeSpan? ContentsAgeMax = null)
{
    public static readonly TimeSpan ContentsAgeMaxDefault = TimeSpan.FromMinutes(30);
}

/// <summary>What this process has on offer for other nodes, in memory: contents by their SHA-256, weights by version. Thread-safe.</summary>
internal sealed class ContentStore(ContentStoreOptions options, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<Digest, LinkedListNode<Content>> contents = [];

    // The oldest first.
    private readonly LinkedList<Content> byAge = new();
    private readonly SortedDictionary<long, OfferedWeights> weights = [];
    private readonly TimeSpan ageMax = options.ContentsAgeMax ?? ContentStoreOptions.ContentsAgeMaxDefault;
    private long contentsBytes;
    private Uri? address;

    /// <summary>Of all contents on the store.</summary>
    public long ContentsBytes
    {
        get
        {
            lock (gate)
            {
                return contentsBytes;
            }
        }
    }

    /// <summary>Where other nodes find this store. Known once the node's server runs; nothing can be offered before.</summary>
    public Uri Address
    {
        get => address ?? throw new InvalidOperationException("The node's server does not run yet, so nothing on its store has an address.");
        internal set => address = value;
    }

    /// <summary>The same bytes again are the same content, as young as if they were new.</summary>
    /// <exception cref="BulkException">More bytes than the whole store may hold.</exception>
    public ContentRef Put(byte[] content)
    {
        if (content.Length > options.ContentsBytesMax)
        {
            throw new BulkException($"A content of {content.Length} bytes is larger than the store (grpo.bulk.contents-bytes-max = {options.ContentsBytesMax}).");
        }

        Digest sha = Digest.Of(content);
        lock (gate)
        {
            Drop(sha);
            contents[sha] = byAge.AddLast(new Content(sha, content, time.GetTimestamp()));
            contentsBytes += content.Length;
            while (contentsBytes > options.ContentsBytesMax || time.GetElapsedTime(byAge.First!.Value.Since) > ageMax)
            {
                Drop(byAge.First!.Value.Sha256);
            }
        }

        return new ContentRef(new Uri(Address, $"contents/{sha}"), sha, content.Length);
    }

    /// <summary>Null where it is not, or no longer, on the store. Not to be written to.</summary>
    public byte[]? TryGet(Digest sha)
    {
        lock (gate)
        {
            return contents.TryGetValue(sha, out LinkedListNode<Content>? found) ? found.Value.Bytes : null;
        }
    }

    public void Remove(Digest sha)
    {
        lock (gate)
        {
            Drop(sha);
        }
    }

    /// <summary>The weights are sent from where they lie: they must not change until they are withdrawn. Reads them once, for the hash.</summary>
    public WeightsRef Offer(PolicyWeights offered)
    {
        lock (gate)
        {
            if (weights.TryGetValue(offered.Version.Steps, out OfferedWeights? known) && known.Reference.Served!.Policy == offered.Policy)
            {
                return known.Reference;
            }
        }

        var bytes = new TensorBytes(offered.Tensors);
        var reference = new WeightsRef(offered.Version, new ServedWeights(offered.Policy, new ContentRef(new Uri(Address, $"weights/{offered.Version.Steps}"), bytes.Hash(), bytes.LengthBytes)));
        lock (gate)
        {
            weights[offered.Version.Steps] = new OfferedWeights(reference, bytes);
        }

        return reference;
    }

    /// <summary>Versions on offer, the oldest first.</summary>
    public ImmutableArray<WeightsRef> Offered()
    {
        lock (gate)
        {
            return [.. weights.Values.Select(offered => offered.Reference)];
        }
    }

    /// <summary>A download that has begun goes on to its end.</summary>
    public void Withdraw(PolicyVersion below)
    {
        lock (gate)
        {
            foreach (long version in weights.Keys.TakeWhile(version => version < below.Steps).ToArray())
            {
                weights.Remove(version);
            }
        }
    }

    internal OfferedWeights? TryGetWeights(long version)
    {
        lock (gate)
        {
            return weights.GetValueOrDefault(version);
        }
    }

    private void Drop(Digest sha)
    {
        if (contents.Remove(sha, out LinkedListNode<Content>? found))
        {
            byAge.Remove(found);
            contentsBytes -= found.Value.Bytes.Length;
        }
    }

    internal sealed record OfferedWeights(WeightsRef Reference, TensorBytes Bytes);

    private sealed record Content(Digest Sha256, byte[] Bytes, long Since);
}
