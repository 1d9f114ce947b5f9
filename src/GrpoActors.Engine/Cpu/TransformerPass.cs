using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Forward and backward of a packed micro-batch. Activations lie in one block that grows to the largest micro-batch and is then reused.</summary>
/// <remarks>
/// Bytes that T tokens take of which S are scored, L layers: <see cref="BytesOf"/>, which is
/// <code>
/// kept         4 T L (2 D + (H + 2K) N + H N + 2 F + H + 2),   with a norm of q and k   + 4 T L (H + K) (N + 1)
/// passing      4 T (2 D + F)                                   final stream, a norm's result, silu(gate) up
/// backward     4 T (2 D + (H + 2K) N + H N + F)
/// head         16 S D + the logits: 151 MB, or one row where that is more
/// </code>
/// With recomputation the factor L stands before D alone, the input of each layer; the rest of one layer is held at a time. What follows from the rest element by element (the norms' results and silu(gate) up)
/// is never kept: the backward pass makes it again. A prompt of P tokens shared by G sequences takes 8 G (P - 1) K N more.
/// </remarks>
internal sealed class TransformerPass : IDisposable
{
    private readonly ModelSpec _spec;
    private readonly Layers _layers;
    private readonly bool _recomputes;
    private readonly FloatBuffer _activations = new();
    private readonly LayerActivations[] _kept;
    private readonly LayerActivations _passing;
    private readonly FloatBuffer _final = new(), _normed = new(), _activated = new();
    private readonly FloatBuffer _dStream = new(), _dNormed = new(), _dQkv = new(), _dAttended = new(), _dActivated = new(), _perReader = new();
    private readonly Head _head;
    private float _temperature;
    private bool _hasKept;

    /// <param name="recomputes">Keep the input of each layer alone and compute the rest again in the backward pass: the same bits.</param>
    public TransformerPass(ModelSpec spec, Layers layers, bool recomputes)
    {
        _spec = spec;
        _layers = layers;
        _recomputes = recomputes;
        _kept = [.. Enumerable.Range(0, spec.Layers).Select(_ => new LayerActivations(_activations, spec))];
        _passing = new LayerActivations(_activations, spec);
        _head = new Head(spec.HiddenSize, spec.VocabularySize, layers.Epsilon, layers.Team);
    }

    public PackedInput Input { get; } = new();

    /// <summary>Memory held.</summary>
    public long Bytes => _activations.Bytes + Buffers.Sum(buffer => buffer.Bytes) + _head.Bytes;

    private IEnumerable<FloatBuffer> Buffers => [_final, _normed, _activated, _dStream, _dNormed, _dQkv, _dAttended, _dActivated, _perReader];

    /// <summary>Memory that forward and backward passes take.</summary>
    /// <param name="tokens">T, a shared prompt counted once.</param>
    /// <param name="scored">S.</param>
    public static long BytesOf(ModelSpec spec, long tokens, long scored, bool recomputes)
    {
        long d = spec.HiddenSize, f = spec.IntermediateSize, q = (long)spec.Heads * spec.HeadDim, qkv = q + 2L * spec.KeyValueHeads * spec.HeadDim;
        long layer = LayerActivations.FloatsPerToken(spec);
        long kept = recomputes ? spec.Layers * d + layer : spec.Layers * (d + layer);
        return sizeof(float) * tokens * (kept + (2 * d + f) + (2 * d + qkv + q + f)) + Head.BytesOf(spec, scored);
    }

    /// <summary>Gives the memory back; what was kept for a backward pass is gone.</summary>
    public void Release()
    {
        _hasKept = false;
        _activations.Release();
        foreach (FloatBuffer buffer in Buffers)
        {
            buffer.Release();
        }

        _head.Release();
    }

    /// <summary>Log-probs and entropies of the scored tokens.</summary>
    /// <param name="keep">Hold what <see cref="Backward"/> needs; without it one layer's worth of memory is enough.</param>
    public void Forward(PackedPolicy policy, PackedBatch batch, double temperature, bool keep, TokenScores scores)
    {
        _temperature = (float)temperature;
        _hasKept = false;
        Input.Prepare(batch, _spec);
        Place(keep);
        ReadOnlySpan<float> stream_TD = Stream(policy, keep);
        _head.Forward(policy, stream_TD, Input.ScoredRows, Input.Targets, _temperature, scores.LogProbs.AsSpan(0, Input.Scored), scores.Entropies.AsSpan(0, Input.Scored));
        _hasKept = keep;
    }

    /// <summary>Gives every layer its place among the activations.</summary>
    private void Place(bool keep)
    {
        nint end = 0;
        foreach (LayerActivations layer in _kept)
        {
            if (keep)
            {
                layer.PlaceStream(Input.Rows, ref end);
            }

            if (keep && !_recomputes)
            {
                layer.PlaceRest(Input.Rows, ref end);
            }
        }

        if (!keep || _recomputes)
        {
            _passing.PlaceRest(Input.Rows, ref end);
        }

        _activations.Reserve(end);
    }

    private Span<float> Stream(PackedPolicy policy, bool keep)
    {
        Span<float> x_TD = keep ? _kept[0].Stream : _final.AtLeast(Input.Rows, _layers.D);
        policy.Embed(Input.Tokens, x_TD);
        for (int i = 0; i < policy.Layers.Count; i++)
        {
            Span<float> next_TD = !keep || i + 1 == policy.Layers.Count ? _final.AtLeast(Input.Rows, _layers.D) : _kept[i + 1].Stream;
            Layer(policy.Layers[i], keep && !_recomputes ? _kept[i] : _passing, x_TD, next_TD);
            x_TD = next_TD;
        }

        return x_TD;
    }

    private void Layer(PackedLayer layer, LayerActivations at, ReadOnlySpan<float> x_TD, Span<float> next_TD)
    {
        int tokens = Input.Rows, d = _layers.D, q = _layers.Q, kv = _layers.Kv, qkv = _layers.Qkv, f = _layers.F;
        Span<float> qkv_TE = at.Qkv, attended_TQ = at.Attended, normed_TD = _normed.AtLeast(tokens, d);
        _layers.QueriesKeysValues(layer, x_TD, Input.Positions, normed_TD, at.InvRms, qkv_TE, at.RawHeads, at.InvRmsHeads);
        Attention.Forward(
            _layers.Shape, Input.Offsets, Input.Prefixes, qkv_TE, qkv, Columns(qkv_TE, q), Columns(qkv_TE, q + kv), qkv, attended_TQ, at.LogSumExp, _layers.Team);
        _layers.AfterAttention(layer, x_TD, attended_TQ, tokens, at.Middle, normed_TD, at.MiddleInvRms, at.GateUp, _activated.AtLeast(tokens, f), next_TD);
    }

    /// <summary>Adds to the gradients of all weights. Uses up the last forward pass that kept its activations.</summary>
    /// <param name="dHead_VD">Gradient of the head, apart from that of the embedding even where the two are tied: each is one chain over the tokens.</param>
    public void Backward(PackedPolicy policy, ReadOnlySpan<float> dLogProb_S, ReadOnlySpan<float> dEntropy_S, ParameterSet gradient, Span<float> dHead_VD)
    {
        if (!_hasKept)
        {
            throw new InvalidOperationException("A backward pass follows a forward pass that kept its activations; there is none, or it was used up.");
        }

        _hasKept = false;
        if (dLogProb_S.Length != Input.Scored || (dEntropy_S.Length != 0 && dEntropy_S.Length != Input.Scored))
        {
            throw new ArgumentException($"{dLogProb_S.Length} log-prob and {dEntropy_S.Length} entropy coefficients came for {Input.Scored} scored tokens.");
        }

        ModelLayout layout = gradient.Layout;
        Span<float> dStream_TD = _dStream.AtLeast(Input.Rows, _layers.D);
        _head.Backward(policy, Input.ScoredRows, Input.Targets, _temperature, dLogProb_S, dEntropy_S, dHead_VD, gradient[layout.FinalNorm], dStream_TD);
        for (int i = policy.Layers.Count - 1; i >= 0; i--)
        {
            Span<float> x_TD = _kept[i].Stream;
            if (_recomputes)
            {
                Layer(policy.Layers[i], _passing, x_TD, _final.AtLeast(Input.Rows, _layers.D));
            }

            LayerBackward(policy.Layers[i], _recomputes ? _passing : _kept[i], layout.Layers[i], gradient, x_TD, dStream_TD);
        }

        Embedding.Backward(dStream_TD, _layers.D, Input.Tokens, gradient[layout.Embedding], _layers.Team);
    }

    private void LayerBackward(PackedLayer layer, LayerActivations at, LayerLayout layout, ParameterSet gradient, ReadOnlySpan<float> x_TD, Span<float> dStream_TD)
    {
        int tokens = Input.Rows, d = _layers.D, f = _layers.F;
        ThreadTeam team = _layers.Team;
        Span<float> normed_TD = _normed.AtLeast(tokens, d), dNormed_TD = _dNormed.AtLeast(tokens, d);

        // Feed-forward: next = middle + down(silu(gate) up).
        Span<float> activated_TF = _activated.AtLeast(tokens, f), dActivated_TF = _dActivated.AtLeast(tokens, f);
        Span<float> gateUp_T2F = at.GateUp;
        SwiGlu.Forward(gateUp_T2F, Columns(gateUp_T2F, f), 2 * f, activated_TF, tokens, team);
        Gemm.WeightGradient(dStream_TD, d, activated_TF, f, gradient[layout.Down], d, f, tokens, team);
        Gemm.InputGradient(dStream_TD, layer.Down, dActivated_TF, team);
        SwiGlu.Backward(gateUp_T2F, Columns(gateUp_T2F, f), 2 * f, dActivated_TF, gateUp_T2F, Columns(gateUp_T2F, f), 2 * f, tokens, team); // in place: nobody needs them again
        RmsNorm.Forward(at.Middle, layer.PostNorm_D, _layers.Epsilon, normed_TD, at.MiddleInvRms, team);
        Gemm.WeightGradient(gateUp_T2F, 2 * f, normed_TD, d, gradient[layout.Gate, layout.Up], 2 * f, d, tokens, team);
        Gemm.InputGradient(gateUp_T2F, layer.GateUp, dNormed_TD, team);
        RmsNorm.Backward(
            at.Middle, layer.PostNorm_D, at.MiddleInvRms, dNormed_TD, dStream_TD, gradient[layout.PostNorm], accumulate: true, team);

        // Attention: middle = x + o(attended).
        Span<float> dQkv_TE = AttentionBackward(layer, at, layout, gradient, dStream_TD);
        RmsNorm.Forward(x_TD, layer.InputNorm_D, _layers.Epsilon, normed_TD, at.InvRms, team);
        Gemm.WeightGradient(dQkv_TE, _layers.Qkv, normed_TD, d, gradient[layout.Q, layout.V], _layers.Qkv, d, tokens, team);
        Gemm.InputGradient(dQkv_TE, layer.Qkv, dNormed_TD, team);
        RmsNorm.Backward(x_TD, layer.InputNorm_D, at.InvRms, dNormed_TD, dStream_TD, gradient[layout.InputNorm], accumulate: true, team);
    }

    /// <summary>The gradient of q, k and v before rotation, norm and bias.</summary>
    private Span<float> AttentionBackward(PackedLayer layer, LayerActivations at, LayerLayout layout, ParameterSet gradient, ReadOnlySpan<float> dStream_TD)
    {
        int tokens = Input.Rows, d = _layers.D, q = _layers.Q, kv = _layers.Kv, qkv = _layers.Qkv;
        ThreadTeam team = _layers.Team;
        Span<float> attended_TQ = at.Attended, dAttended_TQ = _dAttended.AtLeast(tokens, q);
        Span<float> qkv_TE = at.Qkv, dQkv_TE = _dQkv.AtLeast(tokens, qkv);
        Gemm.WeightGradient(dStream_TD, d, attended_TQ, q, gradient[layout.Output], d, q, tokens, team);
        Gemm.InputGradient(dStream_TD, layer.Output, dAttended_TQ, team);
        Attention.Backward(
            _layers.Shape, Input.Offsets, Input.Prefixes, qkv_TE, qkv, Columns(qkv_TE, q), Columns(qkv_TE, q + kv), qkv, attended_TQ, at.LogSumExp, dAttended_TQ,
            dQkv_TE, Columns(dQkv_TE, q), Columns(dQkv_TE, q + kv), _perReader.AtLeast(Attention.PerReaderFloats(_layers.Shape, Input.Offsets, Input.Prefixes)), team);
        Rope.Backward(dQkv_TE, qkv, _layers.Heads + _layers.KeyValueHeads, _layers.N, Input.Positions, _layers.Rotary.Cos_PN2, _layers.Rotary.Sin_PN2, team);
        if (layout.QNorm is not null)
        {
            Span<float> raw = at.RawHeads, invRms = at.InvRmsHeads;
            _layers.NormHeadsBackward(dQkv_TE, 0, q, layer.QNorm_N, raw[..(tokens * q)], invRms[..(tokens * _layers.Heads)], gradient[layout.QNorm]);
            _layers.NormHeadsBackward(dQkv_TE, q, kv, layer.KNorm_N, raw[(tokens * q)..], invRms[(tokens * _layers.Heads)..], gradient[layout.KNorm!]);
        }

        if (layout.QBias is not null)
        {
            Bias.Gradient(dQkv_TE, qkv, gradient[layout.QBias, layout.VBias!], tokens, team);
        }

        return dQkv_TE;
    }

    public void Dispose()
    {
        _activations.Dispose();
        foreach (FloatBuffer buffer in Buffers)
        {
            buffer.Dispose();
        }

        _head.Dispose();
    }

    /// <summary>The same rows from a later column on; empty for an empty batch.</summary>
    private static Span<float> Columns(Span<float> rows, int column) => rows.IsEmpty ? rows : rows[column..];
}

/// <summary>What the backward pass needs of one layer: pieces of a block that all layers share.</summary>
internal sealed class LayerActivations(FloatBuffer block, ModelSpec spec)
{
    private readonly int _d = spec.HiddenSize, _f = spec.IntermediateSize, _heads = spec.Heads, _q = spec.Heads * spec.HeadDim, _kv = spec.KeyValueHeads * spec.HeadDim;
    private readonly int _rawHeads = spec.QkNorm ? (spec.Heads + spec.KeyValueHeads) * spec.HeadDim : 0, _normedHeads = spec.QkNorm ? spec.Heads + spec.KeyValueHeads : 0;
    private nint _stream, _invRms, _qkv, _raw, _invRmsHeads, _attended, _logSumExp, _middle, _middleInvRms, _gateUp;
    private int _tokens;

    /// <summary>All but the stream: D + (H + 2K) N + H N + 2 F + H + 2, and (H + K)(N + 1) with a norm of q and k.</summary>
    public static long FloatsPerToken(ModelSpec spec)
    {
        long heads = spec.Heads + spec.KeyValueHeads, q = (long)spec.Heads * spec.HeadDim;
        return spec.HiddenSize + q + 2L * spec.KeyValueHeads * spec.HeadDim + q + 2L * spec.IntermediateSize + spec.Heads + 2 + (spec.QkNorm ? heads * (spec.HeadDim + 1) : 0);
    }

    /// <summary>[T, D]: the residual stream into the layer.</summary>
    public Span<float> Stream => Piece(_stream, _d);

    public Span<float> InvRms => Piece(_invRms, 1);

    /// <summary>[T, (H + 2K) N]: rotated q and k, v.</summary>
    public Span<float> Qkv => Piece(_qkv, _q + 2 * _kv);

    /// <summary>[T H N] then [T K N]: q and k before their norm; empty without one.</summary>
    public Span<float> RawHeads => Piece(_raw, _rawHeads);

    public Span<float> InvRmsHeads => Piece(_invRmsHeads, _normedHeads);

    /// <summary>[T, H N].</summary>
    public Span<float> Attended => Piece(_attended, _q);

    /// <summary>[T, H].</summary>
    public Span<float> LogSumExp => Piece(_logSumExp, _heads);

    /// <summary>[T, D]: the residual stream between attention and feed-forward.</summary>
    public Span<float> Middle => Piece(_middle, _d);

    public Span<float> MiddleInvRms => Piece(_middleInvRms, 1);

    /// <summary>[T, 2F].</summary>
    public Span<float> GateUp => Piece(_gateUp, 2 * _f);

    /// <summary>Puts the stream at the end of what is placed.</summary>
    public void PlaceStream(int tokens, ref nint end)
    {
        _tokens = tokens;
        _stream = Place(_d, ref end);
    }

    /// <summary>Puts all but the stream at the end of what is placed.</summary>
    public void PlaceRest(int tokens, ref nint end)
    {
        _tokens = tokens;
        _invRms = Place(1, ref end);
        _qkv = Place(_q + 2 * _kv, ref end);
        _raw = Place(_rawHeads, ref end);
        _invRmsHeads = Place(_normedHeads, ref end);
        _attended = Place(_q, ref end);
        _logSumExp = Place(_heads, ref end);
        _middle = Place(_d, ref end);
        _middleInvRms = Place(1, ref end);
        _gateUp = Place(2 * _f, ref end);
    }

    private nint Place(int width, ref nint end)
    {
        nint start = end;
        end += ((nint)_tokens * width + FloatBuffer.Line - 1) / FloatBuffer.Line * FloatBuffer.Line;
        return start;
    }

    private Span<float> Piece(nint start, int width) => block.Piece(start, checked(_tokens * width));
}
