namespace GrpoActors.Engine.Models;

/// <summary>One trainable tensor: its Hugging Face name, its shape, and where it lies in a flat buffer.</summary>
/// <param name="Offset">First element in the flat buffer.</param>
/// <param name="Decays">Weight decay applies: matrices and embeddings, not vectors.</param>
public sealed record TensorLayout(string Name, long[] Shape, int Offset, int Length, bool Decays);

/// <summary>The tensors of one layer; null where the model has none.</summary>
/// <param name="Q">Shape [H N, D]; k and v follow it without a gap, [K N, D] each, so that one product makes all three. Their biases likewise.</param>
/// <param name="Gate">Shape [F, D]; up follows it without a gap.</param>
/// <param name="QNorm">Shape [N]; <paramref name="KNorm"/> too.</param>
/// <param name="Output">Shape [D, H N].</param>
/// <param name="Down">Shape [D, F].</param>
public sealed record LayerLayout(
    TensorLayout InputNorm, TensorLayout Q, TensorLayout K, TensorLayout V, TensorLayout? QBias, TensorLayout? KBias, TensorLayout? VBias,
    TensorLayout? QNorm, TensorLayout? KNorm, TensorLayout Output, TensorLayout PostNorm, TensorLayout Gate, TensorLayout Up, TensorLayout Down);

/// <summary>Where every weight of a model lies in one flat buffer, and what Hugging Face calls it.</summary>
/// <remarks>
/// Every tensor starts at a multiple of 16 elements unless it continues a fused one. What lies between is padding and stays 0.
/// <code>
/// [embed | layer 0: norm, q k v, biases, q norm, k norm, o, norm, gate up, down | layer 1 ... | norm | head unless tied]
/// </code>
/// </remarks>
public sealed class ModelLayout
{
    private readonly List<TensorLayout> _tensors = [];
    private long _end;

    /// <exception cref="UnsupportedModelException">More weights than one buffer holds (2^31).</exception>
    public ModelLayout(ModelSpec spec)
    {
        Spec = spec;
        Embedding = Matrix("model.embed_tokens.weight", spec.VocabularySize, spec.HiddenSize);
        Layers = [.. Enumerable.Range(0, spec.Layers).Select(Layer)];
        FinalNorm = Vector("model.norm.weight", spec.HiddenSize);
        Head = spec.TiedHead ? Embedding : Matrix("lm_head.weight", spec.VocabularySize, spec.HiddenSize);
        Tensors = [.. _tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        Parameters = _tensors.Sum(tensor => (long)tensor.Length);
        BufferLength = (int)_end;
    }

    public ModelSpec Spec { get; }

    public TensorLayout Embedding { get; }

    /// <summary>The embedding itself where the head is tied.</summary>
    public TensorLayout Head { get; }

    public TensorLayout FinalNorm { get; }

    public IReadOnlyList<LayerLayout> Layers { get; }

    /// <summary>In ordinal order of names.</summary>
    public IReadOnlyList<TensorLayout> Tensors { get; }

    /// <summary>Trainable weights; a tied head counts once.</summary>
    public long Parameters { get; }

    /// <summary>Elements of a flat buffer, padding included.</summary>
    public int BufferLength { get; }

    private LayerLayout Layer(int index)
    {
        string at = $"model.layers.{index}.", attention = at + "self_attn.", mlp = at + "mlp.";
        int d = Spec.HiddenSize, f = Spec.IntermediateSize, q = Spec.Heads * Spec.HeadDim, kv = Spec.KeyValueHeads * Spec.HeadDim;
        bool biases = Spec.AttentionBias, norms = Spec.QkNorm;
        return new LayerLayout(
            InputNorm: Vector(at + "input_layernorm.weight", d),
            Q: Matrix(attention + "q_proj.weight", q, d),
            K: Matrix(attention + "k_proj.weight", kv, d, follows: true),
            V: Matrix(attention + "v_proj.weight", kv, d, follows: true),
            QBias: biases ? Vector(attention + "q_proj.bias", q) : null,
            KBias: biases ? Vector(attention + "k_proj.bias", kv, follows: true) : null,
            VBias: biases ? Vector(attention + "v_proj.bias", kv, follows: true) : null,
            QNorm: norms ? Vector(attention + "q_norm.weight", Spec.HeadDim) : null,
            KNorm: norms ? Vector(attention + "k_norm.weight", Spec.HeadDim) : null,
            Output: Matrix(attention + "o_proj.weight", d, q),
            PostNorm: Vector(at + "post_attention_layernorm.weight", d),
            Gate: Matrix(mlp + "gate_proj.weight", f, d),
            Up: Matrix(mlp + "up_proj.weight", f, d, follows: true),
            Down: Matrix(mlp + "down_proj.weight", d, f));
    }

    private TensorLayout Matrix(string name, int rows, int columns, bool follows = false) => Append(name, [rows, columns], (long)rows * columns, decays: true, follows);

    private TensorLayout Vector(string name, int length, bool follows = false) => Append(name, [length], length, decays: false, follows);

    private TensorLayout Append(string name, long[] shape, long length, bool decays, bool follows)
    {
        long start = follows ? _end : (_end + 15) & ~15L;
        _end = start + length;
        if (_end > Array.MaxLength)
        {
            throw new UnsupportedModelException([$"The model has more than {Array.MaxLength} weights, counted up to {name}; the cpu engine holds at most that many."]);
        }

        var tensor = new TensorLayout(name, shape, (int)start, (int)length, decays);
        _tensors.Add(tensor);
        return tensor;
    }
}
