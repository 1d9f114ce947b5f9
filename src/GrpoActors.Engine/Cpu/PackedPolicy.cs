using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>One version's weights as the kernels read them: matrices packed or lent, vectors copied. A tied embedding is read from the packed head.</summary>
internal sealed class PackedPolicy : IDisposable
{
    private readonly ModelLayout _layout;
    private readonly NativeFloats? _ownEmbedding;
    private ReadOnlyMemory<float> _embedding_VD; // empty: the packed head's rows

    public PackedPolicy(ModelLayout layout, PackedAs packedAs)
    {
        _layout = layout;
        ModelSpec spec = layout.Spec;
        Layers = [.. layout.Layers.Select(_ => new PackedLayer(spec, packedAs))];
        Head = new PackedMatrix(spec.VocabularySize, spec.HiddenSize, packedAs);
        FinalNorm_D = new float[spec.HiddenSize];
        if (packedAs != PackedAs.Lent && !spec.TiedHead)
        {
            _ownEmbedding = new NativeFloats(layout.Embedding.Length);
            _embedding_VD = _ownEmbedding.Memory;
        }
    }

    /// <summary>In half the bytes where that loses nothing.</summary>
    public static PackedAs FormatOf(ModelLayout layout, Func<TensorLayout, ReadOnlyMemory<float>> weights)
    {
        bool IsHalf(TensorLayout matrix) => HalfPrecision.IsBFloat16(weights(matrix).Span);
        return layout.Layers.All(at => IsHalf(at.Q) && IsHalf(at.K) && IsHalf(at.V) && IsHalf(at.Output) && IsHalf(at.Gate) && IsHalf(at.Up) && IsHalf(at.Down)) && IsHalf(layout.Head)
            ? PackedAs.BFloat16
            : PackedAs.Float32;
    }

    public PackedAs PackedAs => Head.PackedAs;

    public IEnumerable<PackedMatrix> Matrices => Layers.SelectMany(layer => new[] { layer.Qkv, layer.Output, layer.GateUp, layer.Down }).Append(Head);

    public IReadOnlyList<PackedLayer> Layers { get; }

    /// <summary>[V, D].</summary>
    public PackedMatrix Head { get; }

    public float[] FinalNorm_D { get; }

    /// <summary>The tokens' rows of the embedding.</summary>
    /// <param name="x_TD">Written.</param>
    public void Embed(ReadOnlySpan<int> token_T, Span<float> x_TD)
    {
        int d = FinalNorm_D.Length;
        if (!_embedding_VD.IsEmpty)
        {
            Embedding.Forward(_embedding_VD.Span, d, token_T, x_TD);
            return;
        }

        for (int t = 0; t < token_T.Length; t++)
        {
            Head.CopyRow(token_T[t], x_TD.Slice(t * d, d));
        }
    }

    /// <summary>Takes over another version: a copy, laid out for the kernels.</summary>
    public void Load(Func<TensorLayout, ReadOnlyMemory<float>> weights, ThreadTeam team)
    {
        ReadOnlySpan<float> Of(TensorLayout tensor) => weights(tensor).Span;
        LoadVectors(weights);
        if (_ownEmbedding is { } embedding)
        {
            Of(_layout.Embedding).CopyTo(embedding.Span);
        }

        Head.Pack(Of(_layout.Head), team);
        for (int i = 0; i < Layers.Count; i++)
        {
            PackedLayer layer = Layers[i];
            LayerLayout at = _layout.Layers[i];
            layer.Qkv.PackRows(0, Of(at.Q), team);
            layer.Qkv.PackRows(Rows(at.Q), Of(at.K), team);
            layer.Qkv.PackRows(Rows(at.Q) + Rows(at.K), Of(at.V), team);
            layer.Output.Pack(Of(at.Output), team);
            layer.GateUp.PackRows(0, Of(at.Gate), team);
            layer.GateUp.PackRows(Rows(at.Gate), Of(at.Up), team);
            layer.Down.Pack(Of(at.Down), team);
        }
    }

    /// <summary>Reads the matrices where they lie; only vectors are copied. To be called again when those have changed.</summary>
    public void Lend(ParameterSet weights)
    {
        LoadVectors(weights.MemoryOf);
        _embedding_VD = weights.Memory(_layout.Embedding);
        Head.Lend(weights.Memory(_layout.Head));
        for (int i = 0; i < Layers.Count; i++)
        {
            LayerLayout at = _layout.Layers[i];
            Layers[i].Qkv.Lend(weights.Memory(at.Q, at.V));
            Layers[i].Output.Lend(weights.Memory(at.Output));
            Layers[i].GateUp.Lend(weights.Memory(at.Gate, at.Up));
            Layers[i].Down.Lend(weights.Memory(at.Down));
        }
    }

    private void LoadVectors(Func<TensorLayout, ReadOnlyMemory<float>> weights)
    {
        ReadOnlySpan<float> Of(TensorLayout tensor) => weights(tensor).Span;
        Of(_layout.FinalNorm).CopyTo(FinalNorm_D);
        for (int i = 0; i < Layers.Count; i++)
        {
            PackedLayer layer = Layers[i];
            LayerLayout at = _layout.Layers[i];
            Of(at.InputNorm).CopyTo(layer.InputNorm_D);
            Of(at.PostNorm).CopyTo(layer.PostNorm_D);
            if (at.QBias is not null)
            {
                Of(at.QBias).CopyTo(layer.QkvBias);
                Of(at.KBias!).CopyTo(layer.QkvBias.AsSpan(Rows(at.Q)));
                Of(at.VBias!).CopyTo(layer.QkvBias.AsSpan(Rows(at.Q) + Rows(at.K)));
            }

            if (at.QNorm is not null)
            {
                Of(at.QNorm).CopyTo(layer.QNorm_N);
                Of(at.KNorm!).CopyTo(layer.KNorm_N);
            }
        }
    }

    public void Dispose()
    {
        foreach (PackedLayer layer in Layers)
        {
            layer.Dispose();
        }

        Head.Dispose();
        _ownEmbedding?.Dispose();
    }

    private static int Rows(TensorLayout matrix) => (int)matrix.Shape[0];
}

/// <summary>Weights of one layer.</summary>
internal sealed class PackedLayer(ModelSpec spec, PackedAs packedAs) : IDisposable
{
    public float[] InputNorm_D { get; } = new float[spec.HiddenSize];

    /// <summary>[(H + 2K) N, D]: q, k, v.</summary>
    public PackedMatrix Qkv { get; } = new((spec.Heads + 2 * spec.KeyValueHeads) * spec.HeadDim, spec.HiddenSize, packedAs);

    /// <summary>Shape [(H + 2K) N]; empty where the model has none.</summary>
    public float[] QkvBias { get; } = spec.AttentionBias ? new float[(spec.Heads + 2 * spec.KeyValueHeads) * spec.HeadDim] : [];

    /// <summary>Shape [N]; empty where the model has none. <see cref="KNorm_N"/> likewise.</summary>
    public float[] QNorm_N { get; } = spec.QkNorm ? new float[spec.HeadDim] : [];

    public float[] KNorm_N { get; } = spec.QkNorm ? new float[spec.HeadDim] : [];

    /// <summary>[D, H N].</summary>
    public PackedMatrix Output { get; } = new(spec.HiddenSize, spec.Heads * spec.HeadDim, packedAs);

    public float[] PostNorm_D { get; } = new float[spec.HiddenSize];

    /// <summary>[2F, D]: gate, up.</summary>
    public PackedMatrix GateUp { get; } = new(2 * spec.IntermediateSize, spec.HiddenSize, packedAs);

    /// <summary>[D, F].</summary>
    public PackedMatrix Down { get; } = new(spec.HiddenSize, spec.IntermediateSize, packedAs);

    public void Dispose()
    {
        Qkv.Dispose();
        Output.Dispose();
        GateUp.Dispose();
        Down.Dispose();
    }
}
