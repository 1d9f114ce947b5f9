using System.Runtime.InteropServices;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace GrpoActors.Engine.Torch;

/// <summary>Weights that learn on a device: float32, with AdamW; products in the engine's dtype.</summary>
/// <remarks>
/// Shared prompts are computed once for each completion: gradients do not depend on the cut, and log-probs neither. Gradient modes and dispose scopes of
/// TorchSharp belong to a thread; every call opens and closes its own.
/// </remarks>
internal sealed class TorchTrainer : ITrainer
{
    /// <summary>What PyTorch's clip_grad_norm_ adds to the norm before it divides.</summary>
    private const double ClipEpsilon = 1e-6;

    /// <summary>Most logits that are held at once, 128 MiB in float32; their softmax and its gradient take as much again.</summary>
    private const long ChunkLogits = 1L << 25;

    private readonly ModelLayout _layout;
    private readonly Transformer _model;
    private readonly Rotation _rotation;
    private readonly bool _recomputes;
    private readonly TorchWeights _weights;
    private readonly Dictionary<string, (Tensor First, Tensor Second)> _moments = new(StringComparer.Ordinal);
    private TorchWeights? _reference;
    private KeptPass? _kept;
    private NamedTensor[]? _onHost; // the present weights, once somebody has asked
    private long _optimizerSteps;

    public TorchTrainer(ModelLayout layout, Transformer model, bool recomputes, PolicyWeights weights)
    {
        _layout = layout;
        _model = model;
        _recomputes = recomputes;
        _rotation = new Rotation(model.Spec, model.Device);
        _weights = new TorchWeights(layout, weights.Tensors, model.Device, ScalarType.Float32, learns: true);
        using IDisposable still = no_grad();
        foreach (TensorLayout tensor in layout.Tensors)
        {
            _moments[tensor.Name] = (zeros(tensor.Shape, float32, model.Device), zeros(tensor.Shape, float32, model.Device));
        }
    }

    public long Parameters => _layout.Parameters;

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores)
    {
        DropKept();
        try
        {
            Pass(batch, temperature, keepForBackward, scores);
        }
        catch (ExternalException failure) when (DeviceMemory.IsExhausted(failure))
        {
            throw DeviceMemory.Exhausted("scoring a micro-batch", failure);
        }
    }

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores)
    {
        TorchWeights reference = _reference ?? throw new InvalidOperationException("No reference policy was kept.");
        using var scope = NewDisposeScope();
        using IDisposable still = no_grad();
        var rows = new PackedRows(batch, _model.Spec, _model.Device);
        Tensor stream = _model.Embed(reference, rows.Ids);
        foreach (LayerTensors layer in reference.Layers)
        {
            stream = Layer(layer, stream, rows);
        }

        Score(reference, FinalRows(reference, stream, rows), rows, temperature, scores);
    }

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy)
    {
        KeptPass kept = _kept ?? throw new InvalidOperationException("No forward pass was kept.");
        try
        {
            PullBack(kept, dLogProb, dEntropy);
        }
        catch (ExternalException failure) when (DeviceMemory.IsExhausted(failure))
        {
            throw DeviceMemory.Exhausted("computing gradients", failure);
        }
        finally
        {
            DropKept();
        }
    }

    public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
    {
        using var scope = NewDisposeScope();
        using IDisposable still = no_grad();
        double squares = 0;
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            if (_weights[tensor.Name].grad is { } gradient)
            {
                using DisposeScope ofTensor = NewDisposeScope();
                squares += gradient.to(float64).square().sum().item<double>();
            }
        }

        double norm = Math.Sqrt(squares);
        if (!double.IsFinite(norm))
        {
            throw new NotFiniteException($"The norm of the gradient is {norm}; a finite number was expected.");
        }

        double clip = optimizer.MaxGradNorm > 0 ? (float)Math.Min(1, optimizer.MaxGradNorm / (norm + ClipEpsilon)) : 1;
        _optimizerSteps++;
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            using DisposeScope ofTensor = NewDisposeScope();
            Step(tensor, optimizer, learningRate, clip);
        }

        _onHost = null;
        return new UpdateResult(norm, WeightsDigest.Of(OnHost()));
    }

    public void ResetOptimizer()
    {
        using IDisposable still = no_grad();
        foreach ((Tensor first, Tensor second) in _moments.Values)
        {
            first.zero_();
            second.zero_();
        }

        _optimizerSteps = 0;
    }

    public void KeepReference()
    {
        _reference?.Dispose();
        _reference = new TorchWeights(_layout, OnHost(), _model.Device, ScalarType.Float32, learns: false);
    }

    public void MixReference(double share)
    {
        TorchWeights reference = _reference ?? throw new InvalidOperationException("No reference policy was kept.");
        using IDisposable still = no_grad();
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            using var scope = NewDisposeScope();
            Tensor mixed = reference[tensor.Name];
            mixed.mul_((float)(1 - share)).add_(_weights[tensor.Name], (float)share);
        }
    }

    public PolicyWeights Publish(PolicyVersion version, Digest policy) => new(version, policy, OnHost());

    public TrainerState Capture() => new(
        OnHost(),
        [.. _layout.Tensors.SelectMany(Moments).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)],
        _optimizerSteps, _reference?.ToHost());

    public void Restore(TrainerState state)
    {
        DropKept();
        _weights.CopyFrom(state.Weights);
        _onHost = null;
        var moments = state.Moments.ToDictionary(moment => moment.Name, StringComparer.Ordinal);
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            using IDisposable still = no_grad();
            using Tensor? gradient = _weights[tensor.Name].grad;
            gradient?.zero_();
            (Tensor first, Tensor second) = _moments[tensor.Name];
            TorchWeights.Fill(first, moments[tensor.Name + ".m"].Values);
            TorchWeights.Fill(second, moments[tensor.Name + ".v"].Values);
        }

        _optimizerSteps = state.OptimizerSteps;
        _reference?.Dispose();
        _reference = state.Reference is null ? null : new TorchWeights(_layout, state.Reference, _model.Device, ScalarType.Float32, learns: false);
    }

    public void Dispose()
    {
        DropKept();
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            _weights[tensor.Name].grad?.Dispose();
            (Tensor first, Tensor second) = _moments[tensor.Name];
            first.Dispose();
            second.Dispose();
        }

        _weights.Dispose();
        _reference?.Dispose();
        _rotation.Dispose();
    }

    /// <summary>The accumulated gradient, for tests: a copy, clipped by nothing.</summary>
    internal IReadOnlyList<NamedTensor> Gradient() =>
    [
        .. _layout.Tensors.Select(tensor => new NamedTensor(
            tensor.Name, tensor.Shape, _weights[tensor.Name].grad is { } gradient ? TorchWeights.ToHost(gradient) : new float[tensor.Length])),
    ];

    /// <summary>Gradient of the sum of target x upstream, added to whatever it depends on.</summary>
    private static void Pull(Tensor target, Tensor upstream) => (target * upstream).sum().backward();

    /// <summary>Copied once for each version.</summary>
    private NamedTensor[] OnHost() => _onHost ??= _weights.ToHost();

    private NamedTensor[] Moments(TensorLayout tensor)
    {
        (Tensor first, Tensor second) = _moments[tensor.Name];
        return [new(tensor.Name + ".m", tensor.Shape, TorchWeights.ToHost(first)), new(tensor.Name + ".v", tensor.Shape, TorchWeights.ToHost(second))];
    }

    private void Pass(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores)
    {
        using var scope = NewDisposeScope();
        var rows = new PackedRows(batch, _model.Spec, _model.Device);
        using IDisposable mode = set_grad_enabled(keepForBackward && !_recomputes);
        var inputs = new List<Tensor>();
        Tensor stream = _model.Embed(_weights, rows.Ids);
        foreach (LayerTensors layer in _weights.Layers)
        {
            if (keepForBackward && _recomputes)
            {
                inputs.Add(stream);
            }

            stream = Layer(layer, stream, rows);
        }

        Tensor normed = FinalRows(_weights, stream, rows);
        Score(_weights, normed, rows, temperature, scores);
        if (keepForBackward)
        {
            _kept = new KeptPass(rows, _recomputes ? stream : normed, inputs, temperature);
            _kept.DetachFrom(scope);
        }
    }

    private void PullBack(KeptPass kept, ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy)
    {
        using var scope = NewDisposeScope();
        using IDisposable mode = set_grad_enabled(true);
        PackedRows rows = kept.Rows;
        Tensor last = kept.Last; // normed rows with their graph; or the stream before the final norm, without one
        Tensor stream = _recomputes ? last.detach().requires_grad_(true) : last;
        Tensor normed = _recomputes ? FinalRows(_weights, stream, rows) : last;
        Pull(normed, HeadBackward(normed, rows, kept.Temperature, dLogProb, dEntropy));
        if (_recomputes)
        {
            Tensor upstream = stream.grad!;
            for (int i = kept.Inputs.Count - 1; i >= 0; i--)
            {
                using DisposeScope ofLayer = NewDisposeScope();
                Tensor input = kept.Inputs[i].detach().requires_grad_(true);
                Pull(Layer(_weights.Layers[i], input, rows), upstream);
                upstream = input.grad!.MoveToOuterDisposeScope();
            }

            Pull(_model.Embed(_weights, rows.Ids), upstream);
        }
    }

    private Tensor Layer(LayerTensors layer, Tensor x_TD, PackedRows rows)
    {
        using DisposeScope scope = NewDisposeScope();
        var (q, k, v) = _model.Project(layer, x_TD, _rotation.Of(rows.Positions));
        return _model.Finish(layer, x_TD, Attend(q, k, v, rows)).MoveToOuterDisposeScope();
    }

    /// <summary>Causal attention of each sequence on itself, shape [T, H N].</summary>
    private Tensor Attend(Tensor q, Tensor k, Tensor v, PackedRows rows)
    {
        Tensor attended = scaled_dot_product_attention(
            Places(q, rows), Places(_model.RepeatHeads(k), rows), Places(_model.RepeatHeads(v), rows), is_casual: true);
        return attended.transpose(1, 2).reshape(-1, (long)_model.Spec.Heads * _model.Spec.HeadDim).index_select(0, rows.Row);
    }

    /// <summary>From rows to sequences, shape [S, H, L, N].</summary>
    private static Tensor Places(Tensor heads, PackedRows rows) =>
        heads.index_select(0, rows.Place).view(rows.Sequences, rows.Longest, heads.shape[1], heads.shape[2]).transpose(1, 2);

    private Tensor FinalRows(TorchWeights weights, Tensor stream, PackedRows rows) => _model.FinalNorm(weights, stream.index_select(0, rows.Scored));

    private void Score(TorchWeights weights, Tensor normed, PackedRows rows, double temperature, TokenScores scores)
    {
        using IDisposable still = no_grad();
        foreach ((long start, long count) in Chunks(normed.shape[0]))
        {
            using var scope = NewDisposeScope();
            (Tensor logProbs, Tensor entropies) = Distribution(weights, normed.narrow(0, start, count), rows.Targets.narrow(0, start, count), temperature);
            TorchWeights.ToHost(logProbs).CopyTo(scores.LogProbs, start);
            TorchWeights.ToHost(entropies).CopyTo(scores.Entropies, start);
        }
    }

    /// <summary>From coefficients to the gradient of the normed rows; adds to the head's.</summary>
    private Tensor HeadBackward(Tensor normed, PackedRows rows, double temperature, ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy)
    {
        Tensor leaf = normed.detach().requires_grad_(true);
        Tensor ofLogProb = tensor(dLogProb.ToArray(), device: _model.Device), ofEntropy = dEntropy.IsEmpty ? ofLogProb : tensor(dEntropy.ToArray(), device: _model.Device);
        foreach ((long start, long count) in Chunks(leaf.shape[0]))
        {
            using var scope = NewDisposeScope();
            (Tensor logProbs, Tensor entropies) = Distribution(_weights, leaf.narrow(0, start, count), rows.Targets.narrow(0, start, count), temperature);
            Tensor sum = (logProbs * ofLogProb.narrow(0, start, count)).sum();
            if (!dEntropy.IsEmpty)
            {
                sum += (entropies * ofEntropy.narrow(0, start, count)).sum();
            }

            sum.backward();
        }

        return leaf.grad!;
    }

    /// <summary>Log-probs of the targets and entropies, in nats, float32.</summary>
    private (Tensor LogProbs, Tensor Entropies) Distribution(TorchWeights weights, Tensor normed, Tensor targets, double temperature)
    {
        Tensor all = log_softmax(_model.Logits(weights, normed) / (float)temperature, -1);
        return (all.gather(1, targets.unsqueeze(1)).squeeze(1), -(all.exp() * all).sum(-1));
    }

    private IEnumerable<(long Start, long Count)> Chunks(long rows)
    {
        long most = Math.Max(1, ChunkLogits / _model.Spec.VocabularySize);
        for (long start = 0; start < rows; start += most)
        {
            yield return (start, Math.Min(most, rows - start));
        }
    }

    private void Step(TensorLayout tensor, OptimizerPlan optimizer, double learningRate, double clip)
    {
        Tensor weight = _weights[tensor.Name];
        (Tensor first, Tensor second) = _moments[tensor.Name];
        Tensor gradient = weight.grad ?? zeros_like(weight);
        gradient.mul_(clip);
        first.mul_(optimizer.Beta1).add_(gradient, 1 - optimizer.Beta1);
        second.mul_(optimizer.Beta2).addcmul_(gradient, gradient, 1 - optimizer.Beta2);
        double corrected1 = 1 - Math.Pow(optimizer.Beta1, _optimizerSteps), corrected2 = 1 - Math.Pow(optimizer.Beta2, _optimizerSteps);
        Tensor root = second.sqrt().div_(Math.Sqrt(corrected2)).add_(optimizer.Epsilon);
        if (tensor.Decays)
        {
            weight.mul_(1 - (learningRate * optimizer.WeightDecay));
        }

        weight.addcdiv_(first, root, -learningRate / corrected1);
        gradient.zero_();
    }

    private void DropKept()
    {
        _kept?.Dispose();
        _kept = null;
    }

    /// <summary>What the backward pass needs of a forward pass.</summary>
    private sealed record KeptPass(PackedRows Rows, Tensor Last, List<Tensor> Inputs, double Temperature) : IDisposable
    {
        private IEnumerable<Tensor> Tensors => [.. Rows.All, Last, .. Inputs];

        public void DetachFrom(DisposeScope scope) => scope.Detach(Tensors.Distinct());

        public void Dispose()
        {
            foreach (Tensor tensor in Tensors)
            {
                tensor.Dispose();
            }
        }
    }
}
