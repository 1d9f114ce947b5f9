using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Forward and backward of a packed micro-batch. Activations lie in buffers that grow to the largest micro-batch and are then reused.</summary>
/// <remarks>
/// Bytes that T tokens take, L layers: 4 T (L (4 D + (H + 2K) N + H N + 3 F + H + 2) + 3 D); the backward pass adds 4 T (4 D + (H + 2K) N + H N + 3 F),
/// a norm of q and k 4 T L (H + K) (N + 1). With recomputation only the input of each layer is kept, 4 T L D, and the rest of one layer at a time. Logits come on top, at most 64 MB or one row; a prompt of P tokens shared by G sequences 8 G (P - 1) K N.
/// </remarks>
internal sealed class TransformerPass : IDisposable
{
    private readonly ModelSpec _spec;
    private readonly Layers _layers;
    private readonly bool _recomputes;
    private readonly LayerActivations[] _kept;
    private readonly LayerActivations _passing = new();
    private readonly FloatBuffer _final = new();
    private readonly FloatBuffer _dStream = new(), _dNormed = new(), _dQkv = new(), _dAttended = new(), _dGateUp = new(), _dActivated = new(), _perReader = new();
    private readonly Head _head;
    private float _temperature;
    private bool _hasKept;

    /// <param name="recomputes">Keep the input of each layer alone and compute the rest again in the backward pass: the same bits.</param>
    public TransformerPass(ModelSpec spec, Layers layers, bool recomputes)
    {
        _spec = spec;
        _layers = layers;
        _recomputes = recomputes;
        _kept = [.. Enumerable.Range(0, spec.Layers).Select(_ => new LayerActivations())];
        _head = new Head(spec.HiddenSize, spec.VocabularySize, layers.Epsilon, layers.Team);
    }

    public PackedInput Input { get; } = new();

    /// <summary>Log-probs and entropies of the scored tokens.</summary>
    /// <param name="keep">Hold what <see cref="Backward"/> needs; without it two layers' worth of memory is enough.</param>
    public void Forward(PackedPolicy policy, PackedBatch batch, double temperature, bool keep, TokenScores scores)
    {
        _temperature = (float)temperature;
        _hasKept = false;
        Input.Prepare(batch, _spec);
        ReadOnlySpan<float> stream_TD = Stream(policy, keep);
        _head.Forward(policy, stream_TD, Input.ScoredRows, Input.Targets, _temperature, scores.LogProbs.AsSpan(0, Input.Scored), scores.Entropies.AsSpan(0, Input.Scored));
        _hasKept = keep;
    }

    private Span<float> Stream(PackedPolicy policy, bool keep)
    {
        int tokens = Input.Rows, d = _layers.D;
        Span<float> x_TD = (keep ? _kept[0].Stream : _final).AtLeast(tokens, d);
        Embedding.Forward(policy.Embedding_VD.Span, d, Input.Tokens, x_TD);
        for (int i = 0; i < policy.Layers.Count; i++)
        {
            LayerActivations at = keep && !_recomputes ? _kept[i] : _passing;
            FloatBuffer after = !keep || i + 1 == policy.Layers.Count ? _final : _kept[i + 1].Stream;
            Span<float> next_TD = after.AtLeast(tokens, d);
            Layer(policy.Layers[i], at, x_TD, next_TD);
            x_TD = next_TD;
        }

        return x_TD;
    }

    private void Layer(PackedLayer layer, LayerActivations at, ReadOnlySpan<float> x_TD, Span<float> next_TD)
    {
        int tokens = Input.Rows, d = _layers.D, q = _layers.Q, kv = _layers.Kv, qkv = _layers.Qkv, f = _layers.F;
        Span<float> qkv_TE = at.Qkv.AtLeast(tokens, qkv), attended_TQ = at.Attended.AtLeast(tokens, q);
        bool norms = layer.QNorm_N.Length != 0;
        _layers.QueriesKeysValues(
            layer, x_TD, Input.Positions, at.Normed.AtLeast(tokens, d), at.InvRms.AtLeast(tokens), qkv_TE,
            norms ? at.RawHeads.AtLeast(tokens, q + kv) : [], norms ? at.InvRmsHeads.AtLeast(tokens, _layers.Heads + _layers.KeyValueHeads) : []);
        Attention.Forward(
            _layers.Shape, Input.Offsets, Input.Prefixes, qkv_TE, qkv, Columns(qkv_TE, q), Columns(qkv_TE, q + kv), qkv, attended_TQ, at.LogSumExp.AtLeast(tokens, _layers.Heads), _layers.Team);
        _layers.AfterAttention(
            layer, x_TD, attended_TQ, tokens, at.Middle.AtLeast(tokens, d), at.MiddleNormed.AtLeast(tokens, d), at.MiddleInvRms.AtLeast(tokens),
            at.GateUp.AtLeast(tokens, 2 * f), at.Activated.AtLeast(tokens, f), next_TD);
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
            Span<float> x_TD = _kept[i].Stream.AtLeast(Input.Rows, _layers.D);
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
        Span<float> dNormed_TD = _dNormed.AtLeast(tokens, d);

        // Feed-forward: next = middle + down(silu(gate) up).
        Span<float> dActivated_TF = _dActivated.AtLeast(tokens, f), dGateUp_T2F = _dGateUp.AtLeast(tokens, 2 * f);
        Span<float> gateUp_T2F = at.GateUp.AtLeast(tokens, 2 * f);
        Gemm.WeightGradient(dStream_TD, d, at.Activated.AtLeast(tokens, f), f, gradient[layout.Down], d, f, tokens, team);
        Gemm.InputGradient(dStream_TD, layer.Down, dActivated_TF, team);
        SwiGlu.Backward(gateUp_T2F, Columns(gateUp_T2F, f), 2 * f, dActivated_TF, dGateUp_T2F, Columns(dGateUp_T2F, f), 2 * f, tokens, team);
        Gemm.WeightGradient(dGateUp_T2F, 2 * f, at.MiddleNormed.AtLeast(tokens, d), d, gradient[layout.Gate, layout.Up], 2 * f, d, tokens, team);
        Gemm.InputGradient(dGateUp_T2F, layer.GateUp, dNormed_TD, team);
        RmsNorm.Backward(
            at.Middle.AtLeast(tokens, d), layer.PostNorm_D, at.MiddleInvRms.AtLeast(tokens), dNormed_TD, dStream_TD, gradient[layout.PostNorm], accumulate: true, team);

        // Attention: middle = x + o(attended).
        Span<float> dQkv_TE = AttentionBackward(layer, at, layout, gradient, dStream_TD);
        Gemm.WeightGradient(dQkv_TE, _layers.Qkv, at.Normed.AtLeast(tokens, d), d, gradient[layout.Q, layout.V], _layers.Qkv, d, tokens, team);
        Gemm.InputGradient(dQkv_TE, layer.Qkv, dNormed_TD, team);
        RmsNorm.Backward(x_TD, layer.InputNorm_D, at.InvRms.AtLeast(tokens), dNormed_TD, dStream_TD, gradient[layout.InputNorm], accumulate: true, team);
    }

    /// <summary>The gradient of q, k and v before rotation, norm and bias.</summary>
    private Span<float> AttentionBackward(PackedLayer layer, LayerActivations at, LayerLayout layout, ParameterSet gradient, ReadOnlySpan<float> dStream_TD)
    {
        int tokens = Input.Rows, d = _layers.D, q = _layers.Q, kv = _layers.Kv, qkv = _layers.Qkv;
        ThreadTeam team = _layers.Team;
        Span<float> attended_TQ = at.Attended.AtLeast(tokens, q), dAttended_TQ = _dAttended.AtLeast(tokens, q);
        Span<float> qkv_TE = at.Qkv.AtLeast(tokens, qkv), dQkv_TE = _dQkv.AtLeast(tokens, qkv);
        Gemm.WeightGradient(dStream_TD, d, attended_TQ, q, gradient[layout.Output], d, q, tokens, team);
        Gemm.InputGradient(dStream_TD, layer.Output, dAttended_TQ, team);
        Attention.Backward(
            _layers.Shape, Input.Offsets, Input.Prefixes, qkv_TE, qkv, Columns(qkv_TE, q), Columns(qkv_TE, q + kv), qkv, attended_TQ, at.LogSumExp.AtLeast(tokens, _layers.Heads), dAttended_TQ,
            dQkv_TE, Columns(dQkv_TE, q), Columns(dQkv_TE, q + kv), _perReader.AtLeast(Attention.PerReaderFloats(_layers.Shape, Input.Offsets, Input.Prefixes)), team);
        Rope.Backward(dQkv_TE, qkv, _layers.Heads + _layers.KeyValueHeads, _layers.N, Input.Positions, _layers.Rotary.Cos_PN2, _layers.Rotary.Sin_PN2, team);
        if (layout.QNorm is not null)
        {
            Span<float> raw = at.RawHeads.AtLeast(tokens, q + kv), invRms = at.InvRmsHeads.AtLeast(tokens, _layers.Heads + _layers.KeyValueHeads);
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
        foreach (LayerActivations at in (IEnumerable<LayerActivations>)[.. _kept, _passing])
        {
            at.Dispose();
        }

        foreach (FloatBuffer buffer in new[] { _final, _dStream, _dNormed, _dQkv, _dAttended, _dGateUp, _dActivated, _perReader })
        {
            buffer.Dispose();
        }

        _head.Dispose();
    }

    /// <summary>The same rows from a later column on; empty for an empty batch.</summary>
    private static Span<float> Columns(Span<float> rows, int column) => rows.IsEmpty ? rows : rows[column..];
}

/// <summary>What the backward pass needs of one layer.</summary>
internal sealed class LayerActivations : IDisposable
{
    /// <summary>[T, D]: the residual stream into the layer.</summary>
    public FloatBuffer Stream { get; } = new();

    public FloatBuffer Normed { get; } = new();

    public FloatBuffer InvRms { get; } = new();

    /// <summary>[T, (H + 2K) N]: rotated q and k, v.</summary>
    public FloatBuffer Qkv { get; } = new();

    /// <summary>[T H N] then [T K N]: q and k before their norm.</summary>
    public FloatBuffer RawHeads { get; } = new();

    public FloatBuffer InvRmsHeads { get; } = new();

    /// <summary>[T, H N].</summary>
    public FloatBuffer Attended { get; } = new();

    /// <summary>[T, H].</summary>
    public FloatBuffer LogSumExp { get; } = new();

    /// <summary>[T, D]: the residual stream between attention and feed-forward.</summary>
    public FloatBuffer Middle { get; } = new();

    public FloatBuffer MiddleNormed { get; } = new();

    public FloatBuffer MiddleInvRms { get; } = new();

    /// <summary>[T, 2F].</summary>
    public FloatBuffer GateUp { get; } = new();

    /// <summary>[T, F]: silu(gate) up.</summary>
    public FloatBuffer Activated { get; } = new();

    public void Dispose()
    {
        foreach (FloatBuffer buffer in new[] { Stream, Normed, InvRms, Qkv, RawHeads, InvRmsHeads, Attended, LogSumExp, Middle, MiddleNormed, MiddleInvRms, GateUp, Activated })
        {
            buffer.Dispose();
        }
    }
}
