using TorchSharp;
using static TorchSharp.torch;

namespace GrpoActors.Engine.Torch;

/// <summary>Keys and values of one prompt's completions, which are all of one length: for each layer [R, K, positions, N]. Lives in the caller's dispose scope.</summary>
internal sealed class KeyValueCache(Transformer model, int rows, int positions)
{
    private readonly (Tensor Keys, Tensor Values)[] _layers =
        [.. Enumerable.Range(0, model.Spec.Layers).Select(_ => (Empty(model, rows, positions), Empty(model, rows, positions)))];

    /// <summary>Stores what begins at a position, for all rows: [T, K, N] of a prompt, or [R, K, 1, N] of the rows' next token.</summary>
    public void Store(int layer, int position, Tensor keys, Tensor values)
    {
        (Tensor k, Tensor v) = _layers[layer];
        bool ofPrompt = keys.dim() == 3;
        long length = ofPrompt ? keys.shape[0] : 1;
        k.narrow(2, position, length).copy_(ofPrompt ? keys.transpose(0, 1) : keys);
        v.narrow(2, position, length).copy_(ofPrompt ? values.transpose(0, 1) : values);
    }

    /// <summary>Keys and values of the positions before <paramref name="end"/>: views.</summary>
    public (Tensor Keys, Tensor Values) UpTo(int layer, int end) => (_layers[layer].Keys.narrow(2, 0, end), _layers[layer].Values.narrow(2, 0, end));

    /// <summary>Lets go of all rows but these.</summary>
    public void Keep(long[] kept)
    {
        Tensor index = tensor(kept, device: model.Device);
        for (int i = 0; i < _layers.Length; i++)
        {
            (Tensor keys, Tensor values) = _layers[i];
            _layers[i] = (keys.index_select(0, index).MoveToOuterDisposeScope(), values.index_select(0, index).MoveToOuterDisposeScope());
            keys.Dispose();
            values.Dispose();
        }
    }

    private static Tensor Empty(Transformer model, int rows, int positions) =>
        empty([rows, model.Spec.KeyValueHeads, positions, model.Spec.HeadDim], model.Dtype, model.Device);
}
