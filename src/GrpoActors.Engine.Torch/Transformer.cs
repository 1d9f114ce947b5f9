using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace GrpoActors.Engine.Torch;

/// <summary>The parts of a Llama-family transformer as tensor expressions. Rows of all sequences lie end to end; only attention knows of sequences.</summary>
/// <remarks>
/// T rows, D width, H heads, K key-value heads, N head width, F feed-forward. Norms, rotation and softmax are calculated in float32, products in the
/// engine's dtype, as transformers does.
/// </remarks>
internal sealed class Transformer(ModelSpec spec, Device device, ScalarType dtype)
{
    private readonly double _epsilon = (float)spec.RmsNormEpsilon;

    public ModelSpec Spec { get; } = spec;

    public Device Device { get; } = device;

    /// <summary>Of the products; weights and moments of a trainer are float32 whatever it is.</summary>
    public ScalarType Dtype { get; } = dtype;

    /// <summary>Shape [T, D].</summary>
    /// <remarks>A token's gradient is a sum over its rows. On the processor index_select adds them in order, on CUDA indexing does (it sorts); each is at random on the other.</remarks>
    public Tensor Embed(TorchWeights weights, Tensor ids_T) =>
        (Device.type == DeviceType.CPU ? weights.Embedding.index_select(0, ids_T) : weights.Embedding.index(TensorIndex.Tensor(ids_T))).to(Dtype);

    /// <summary>Queries, keys and values, rotated.</summary>
    /// <param name="rotation">Cosines and sines of the rows' positions, each [T, 1, N].</param>
    /// <returns>Shapes [T, H, N], [T, K, N], [T, K, N].</returns>
    public (Tensor Q, Tensor K, Tensor V) Project(LayerTensors layer, Tensor x_TD, (Tensor Cos, Tensor Sin) rotation)
    {
        Tensor normed = Norm(x_TD, layer.InputNorm);
        Tensor q = Product(normed, layer.Q, layer.QBias).reshape(-1, Spec.Heads, Spec.HeadDim);
        Tensor k = Product(normed, layer.K, layer.KBias).reshape(-1, Spec.KeyValueHeads, Spec.HeadDim);
        Tensor v = Product(normed, layer.V, layer.VBias).reshape(-1, Spec.KeyValueHeads, Spec.HeadDim);
        if (layer.QNorm is not null)
        {
            q = Norm(q, layer.QNorm);
            k = Norm(k, layer.KNorm!);
        }

        return (Rotate(q, rotation), Rotate(k, rotation), v);
    }

    /// <summary>From the attended heads to the stream after the feed-forward part.</summary>
    /// <param name="attended">Shape [T, H N].</param>
    public Tensor Finish(LayerTensors layer, Tensor x_TD, Tensor attended)
    {
        Tensor middle = x_TD + Product(attended, layer.Output, null);
        Tensor normed = Norm(middle, layer.PostNorm);
        Tensor activated = silu(Product(normed, layer.Gate, null)) * Product(normed, layer.Up, null);
        return middle + Product(activated, layer.Down, null);
    }

    public Tensor FinalNorm(TorchWeights weights, Tensor x) => Norm(x, weights.FinalNorm);

    /// <summary>Logits in float32, shape [rows, V].</summary>
    public Tensor Logits(TorchWeights weights, Tensor normed) => Product(normed, weights.Head, null).to(float32);

    /// <summary>Every key-value head once for each of its query heads: from [T, K, N] to [T, H, N].</summary>
    public Tensor RepeatHeads(Tensor heads)
    {
        int times = Spec.Heads / Spec.KeyValueHeads;
        return times == 1 ? heads : heads.unsqueeze(2).expand(-1, -1, times, -1).reshape(-1, Spec.Heads, Spec.HeadDim);
    }

    private Tensor Product(Tensor x, Tensor weight, Tensor? bias) => linear(x, weight.to(Dtype), bias?.to(Dtype));

    private Tensor Norm(Tensor x, Tensor weight)
    {
        Tensor wide = x.to(float32);
        return (wide * rsqrt(wide.square().mean([-1], keepdim: true) + _epsilon) * weight.to(float32)).to(Dtype);
    }

    private Tensor Rotate(Tensor heads, (Tensor Cos, Tensor Sin) rotation)
    {
        Tensor wide = heads.to(float32);
        long half = Spec.HeadDim / 2;
        Tensor turned = cat([-wide.narrow(-1, half, half), wide.narrow(-1, 0, half)], -1);
        return ((wide * rotation.Cos) + (turned * rotation.Sin)).to(Dtype);
    }
}
