using System.Buffers.Binary;
using System.Security.Cryptography;
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

    private readonly ModelLayout _layout;
    private readonly ThreadTeam _team;
    private readonly Layers _layers;
    private readonly TransformerPass _pass;
    private readonly ParameterSet _weights, _gradient, _firstMoment, _secondMoment;
    private readonly float[] _tiedHeadGradient;
    private readonly PackedPolicy _packed;
    private ParameterSet? _reference;
    private PackedPolicy? _packedReference;
    private long _optimizerSteps;

    public CpuTrainer(ModelLayout layout, RotaryTables rotary, EngineOptions options, PolicyWeights weights)
    {
        _layout = layout;
        _weights = new ParameterSet(layout);
        _weights.CopyFrom(weights.Tensors);
        _gradient = new ParameterSet(layout);
        _firstMoment = new ParameterSet(layout);
        _secondMoment = new ParameterSet(layout);
        _tiedHeadGradient = layout.Spec.TiedHead ? new float[layout.Head.Length] : [];
        _team = new ThreadTeam(options.Threads);
        _layers = new Layers(layout.Spec, _team, rotary);
        _pass = new TransformerPass(layout.Spec, _layers, options.GradientCheckpointing);
        _packed = new PackedPolicy(layout, PackedFor.Nothing);
        _packed.Lend(_weights);
    }

    public long Parameters => _layout.Parameters;

    /// <summary>The accumulated gradient, for tests: a copy, clipped by nothing.</summary>
    internal IReadOnlyList<NamedTensor> Gradient()
    {
        FoldTiedHead();
        return _gradient.Copy().Named();
    }

    private Span<float> HeadGradient => _layout.Spec.TiedHead ? _tiedHeadGradient : _gradient[_layout.Head];

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores) => _pass.Forward(_packed, batch, temperature, keepForBackward, scores);

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores)
    {
        PackedPolicy reference = _packedReference ?? throw new InvalidOperationException("No reference policy was kept.");
        _pass.Forward(reference, batch, temperature, keep: false, scores);
    }

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy) => _pass.Backward(_packed, dLogProb, dEntropy, _gradient, HeadGradient);

    public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
    {
        FoldTiedHead();
        double squares = 0;
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            squares += Lanes.SumOfSquares(_gradient[tensor], _team);
        }

        double norm = Math.Sqrt(squares);
        if (!double.IsFinite(norm))
        {
            throw new NotFiniteException($"The norm of the gradient is {norm}; a finite number was expected.");
        }

        float clip = optimizer.MaxGradNorm > 0 ? (float)Math.Min(1, optimizer.MaxGradNorm / (norm + ClipEpsilon)) : 1;
        Digest digest = Step(optimizer, learningRate, clip);
        Array.Clear(_gradient.Values);
        _packed.Lend(_weights);
        return new UpdateResult(norm, digest);
    }

    public void ResetOptimizer()
    {
        Array.Clear(_firstMoment.Values);
        Array.Clear(_secondMoment.Values);
        _optimizerSteps = 0;
    }

    public void KeepReference() => SetReference(_weights.Copy());

    public void MixReference(double share)
    {
        ParameterSet reference = _reference ?? throw new InvalidOperationException("No reference policy was kept.");
        float towards = (float)share, stays = (float)(1 - share);
        var mixed = new ParameterSet(_layout);
        for (int i = 0; i < mixed.Values.Length; i++)
        {
            mixed.Values[i] = (towards * _weights.Values[i]) + (stays * reference.Values[i]); // two roundings of products and one of the sum, whatever the machine
        }

        SetReference(mixed);
    }

    public PolicyWeights Publish(PolicyVersion version, Digest policy) => new(version, policy, _weights.Copy().Named());

    public TrainerState Capture() => new(
        _weights.Named(), Moments(_firstMoment, _secondMoment), _optimizerSteps, _reference?.Named());

    public void Restore(TrainerState state)
    {
        _weights.CopyFrom(state.Weights);
        _firstMoment.CopyFrom(Unsuffixed(state.Moments, ".m"));
        _secondMoment.CopyFrom(Unsuffixed(state.Moments, ".v"));
        _optimizerSteps = state.OptimizerSteps;
        Array.Clear(_gradient.Values);
        Array.Clear(_tiedHeadGradient);
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
        _packedReference?.Dispose();
        _team.Dispose();
    }

    private static List<NamedTensor> Moments(ParameterSet first, ParameterSet second)
        => [.. first.Named(".m").Concat(second.Named(".v")).OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];

    private static List<NamedTensor> Unsuffixed(IReadOnlyList<NamedTensor> tensors, string suffix)
        => [.. tensors.Where(tensor => tensor.Name.EndsWith(suffix, StringComparison.Ordinal)).Select(tensor => tensor with { Name = tensor.Name[..^suffix.Length] })];

    /// <summary>A tied head's gradient is summed apart, as one chain over the tokens like any other, and joins the embedding's at the end.</summary>
    private void FoldTiedHead()
    {
        if (_layout.Spec.TiedHead)
        {
            Residual.Add(_gradient[_layout.Embedding], _tiedHeadGradient, _team);
            Array.Clear(_tiedHeadGradient);
        }
    }

    private Digest Step(OptimizerPlan optimizer, double learningRate, float clip)
    {
        _optimizerSteps++;
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> lane = stackalloc byte[sizeof(ulong)];
        foreach (TensorLayout tensor in _layout.Tensors)
        {
            AdamWUpdate update = AdamWUpdate.At(
                _optimizerSteps, learningRate, optimizer.Beta1, optimizer.Beta2, optimizer.Epsilon, tensor.Decays ? optimizer.WeightDecay : 0, clip);
            ulong hash = AdamW.Step(_weights[tensor], _gradient[tensor], _firstMoment[tensor], _secondMoment[tensor], update, _team);
            BinaryPrimitives.WriteUInt64LittleEndian(lane, hash);
            sha.AppendData(lane);
        }

        Span<byte> hashed = stackalloc byte[Digest.ByteLength];
        sha.GetHashAndReset(hashed);
        return Digest.FromBytes(hashed);
    }

    private void SetReference(ParameterSet? reference)
    {
        _reference = reference;
        if (reference is null)
        {
            _packedReference?.Dispose();
            _packedReference = null;
            return;
        }

        _packedReference ??= new PackedPolicy(_layout, PackedFor.Nothing);
        _packedReference.Lend(reference);
    }
}
