using System.Buffers.Binary;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Models;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Weights that learn on the processor: float32, with AdamW.</summary>
internal sealed class CpuTrainer : ITrainer
{
    /// <summary>What PyTorch's clip_grad_norm_ adds to the norm before it divides.</summary>
    private const double ClipEpsilon = 1e-6;

    /// <summary>What only a step needs is given back between steps if it takes this much: taking smaller memory anew costs more than it is worth.</summary>
    private const long GivenBackBytesMin = 64 << 20;

    private readonly ModelLayout _layout;
    private readonly ThreadTeam _team;
    private readonly Layers _layers;
    private readonly TransformerPass _pass;
    private readonly ParameterSet _firstMoment, _secondMoment;
    private readonly PackedPolicy _packed;
    private readonly byte[] _laneHashes;
    private ParameterSet _weights;
    private ParameterSet? _gradient; // null: all zeros
    private NativeFloats? _tiedHeadGradient; // likewise
    private bool _accumulates; // something was added to the gradient since the last update
    private ParameterSet? _reference;
    private PackedPolicy? _packedReference;
    private long _optimizerSteps;

    public CpuTrainer(ModelLayout layout, RotaryTables rotary, EngineOptions options, PolicyWeights weights)
    {
        _layout = layout;
        _weights = new ParameterSet(layout);
        _weights.CopyFrom(weights.Tensors);
        _firstMoment = new ParameterSet(layout);
        _secondMoment = new ParameterSet(layout);
        _laneHashes = new byte[layout.Tensors.Count * sizeof(ulong)];
        _team = new ThreadTeam(options.Threads);
        _layers = new Layers(layout.Spec, _team, rotary);
        _pass = new TransformerPass(layout.Spec, _layers, options.GradientCheckpointing);
        _packed = new PackedPolicy(layout, PackedAs.Lent);
        _packed.Lend(_weights);
    }

    public long Parameters => _layout.Parameters;

    /// <summary>The accumulated gradient, for tests: a copy, clipped by nothing.</summary>
    internal IReadOnlyList<NamedTensor> Gradient()
    {
        FoldTiedHead();
        return GradientSet.Copy().Named();
    }

    private ParameterSet GradientSet => _gradient ??= new ParameterSet(_layout);

    private Span<float> HeadGradient => _layout.Spec.TiedHead ? (_tiedHeadGradient ??= new NativeFloats(_layout.Head.Length)).Span : GradientSet[_layout.Head];

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores) => _pass.Forward(_packed, batch, temperature, keepForBackward, scores);

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores)
    {
        PackedPolicy reference = _packedReference ?? throw new InvalidOperationException("No reference policy was kept.");
        _pass.Forward(reference, batch, temperature, keep: false, scores);
    }

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy)
    {
        _accumulates = true;
        _pass.Backward(_packed, dLogProb, dEntropy, GradientSet, HeadGradient);
    }

    public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
    {
        FoldTiedHead();
        ParameterSet gradient = GradientSet;
        double squares = 0;
        for (int i = 0; i < _layout.Tensors.Count; i++)
        {
            squares += Lanes.SumOfSquares(gradient[_layout.Tensors[i]], _team);
        }

        double norm = Math.Sqrt(squares);
        if (!double.IsFinite(norm))
        {
            throw new NotFiniteException($"The norm of the gradient is {norm}; a finite number was expected.");
        }

        float clip = optimizer.MaxGradNorm > 0 ? (float)Math.Min(1, optimizer.MaxGradNorm / (norm + ClipEpsilon)) : 1;
        OwnWeightsAlone(keepsValues: true);
        Digest digest = Step(optimizer, learningRate, clip, gradient);
        _accumulates = false;
        _packed.Lend(_weights);
        return new UpdateResult(norm, digest);
    }

    public void ResetOptimizer()
    {
        _firstMoment.Values.Clear();
        _secondMoment.Values.Clear();
        _optimizerSteps = 0;
    }

    public void KeepReference() => SetReference(_weights.Copy());

    public void MixReference(double share)
    {
        ParameterSet reference = _reference ?? throw new InvalidOperationException("No reference policy was kept.");
        float towards = (float)share, stays = (float)(1 - share);
        ReadOnlySpan<float> present = _weights.Values;
        Span<float> mixed = reference.Values;
        for (int i = 0; i < mixed.Length; i++)
        {
            mixed[i] = (towards * present[i]) + (stays * mixed[i]); // two roundings of products and one of the sum, whatever the machine
        }

        _packedReference!.Lend(reference);
    }

    public PolicyWeights Publish(PolicyVersion version, Digest policy)
    {
        GiveBack();
        return new PolicyWeights(version, policy, _weights.Named(), _weights.Hold());
    }

    public TrainerState Capture() => new(
        _weights.Named(), Moments(_firstMoment, _secondMoment), _optimizerSteps, _reference?.Named());

    public void Restore(TrainerState state)
    {
        OwnWeightsAlone(keepsValues: false);
        _weights.CopyFrom(state.Weights);
        _firstMoment.CopyFrom(Unsuffixed(state.Moments, ".m"));
        _secondMoment.CopyFrom(Unsuffixed(state.Moments, ".v"));
        _optimizerSteps = state.OptimizerSteps;
        DropGradient();
        _packed.Lend(_weights);
        if (state.Reference is null)
        {
            SetReference(null);
        }
        else
        {
            var reference = new ParameterSet(_layout);
            reference.CopyFrom(state.Reference);
            SetReference(reference);
        }
    }

    public void Dispose()
    {
        _pass.Dispose();
        _layers.Dispose();
        _packed.Dispose();
        SetReference(null);
        DropGradient();
        _weights.Dispose();
        _firstMoment.Dispose();
        _secondMoment.Dispose();
        _team.Dispose();
    }

    /// <summary>Weights that somebody reads are left to their readers: from here on they are a copy.</summary>
    private void OwnWeightsAlone(bool keepsValues)
    {
        if (_weights.IsRead)
        {
            ParameterSet read = _weights;
            _weights = keepsValues ? read.Copy() : new ParameterSet(_layout);
            read.Dispose();
        }
    }

    /// <summary>Between steps nobody needs activations, nor a gradient of zeros.</summary>
    private void GiveBack()
    {
        if (_pass.Bytes + (long)(_gradient is null ? 0 : _layout.BufferLength) * sizeof(float) < GivenBackBytesMin)
        {
            return;
        }

        _pass.Release();
        if (!_accumulates)
        {
            DropGradient();
        }
    }

    private void DropGradient()
    {
        _gradient?.Dispose();
        _tiedHeadGradient?.Dispose();
        (_gradient, _tiedHeadGradient, _accumulates) = (null, null, false);
    }

    private static List<NamedTensor> Moments(ParameterSet first, ParameterSet second)
        => [.. first.Named(".m").Concat(second.Named(".v")).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];

    private static List<NamedTensor> Unsuffixed(IReadOnlyList<NamedTensor> tensors, string suffix)
        => [.. tensors.Where(tensor => tensor.Name.EndsWith(suffix, StringComparison.Ordinal)).Select(tensor => tensor with { Name = tensor.Name[..^suffix.Length] })];

    /// <summary>A tied head's gradient is summed apart, as one chain over the tokens like any other, and joins the embedding's at the end.</summary>
    private void FoldTiedHead()
    {
        if (_tiedHeadGradient is { } head)
        {
            Residual.Move(GradientSet[_layout.Embedding], head.Span, _team);
        }
    }

    private Digest Step(OptimizerPlan optimizer, double learningRate, float clip, ParameterSet gradient)
    {
        _optimizerSteps++;
        for (int i = 0; i < _layout.Tensors.Count; i++)
        {
            TensorLayout tensor = _layout.Tensors[i];
            AdamWUpdate update = AdamWUpdate.At(
                _optimizerSteps, learningRate, optimizer.Beta1, optimizer.Beta2, optimizer.Epsilon, tensor.Decays ? optimizer.WeightDecay : 0, clip);
            ulong hash = AdamW.Step(_weights[tensor], gradient[tensor], _firstMoment[tensor], _secondMoment[tensor], update, _team);
            BinaryPrimitives.WriteUInt64LittleEndian(_laneHashes.AsSpan(i * sizeof(ulong)), hash);
        }

        return Digest.Of(_laneHashes);
    }

    private void SetReference(ParameterSet? reference)
    {
        _reference?.Dispose();
        _reference = reference;
        if (reference is null)
        {
            _packedReference?.Dispose();
            _packedReference = null;
            return;
        }

        _packedReference ??= new PackedPolicy(_layout, PackedAs.Lent);
        _packedReference.Lend(reference);
    }
}
