using GrpoActors.Core;
using GrpoActors.Core.Plans;

namespace GrpoActors.Engine.Tests;

/// <summary>A trainer that is none: constant log-probs, a memory of what it was asked.</summary>
internal sealed class RecordingTrainer : ITrainer
{
    private int _sinceUpdate;

    public float LogProb { get; } = -1.5f;

    /// <summary>What the reference says of every token.</summary>
    public float ReferenceLogProb { get; init; } = -1.5f;

    /// <summary>The forward pass, from 0, those of the reference among them, whose first number is poisoned.</summary>
    public int PoisonForward { get; init; } = -1;

    public float Poison { get; init; } = float.NaN;

    /// <summary>It is an entropy, not a log-prob.</summary>
    public bool PoisonEntropy { get; init; }

    public int Forwards { get; private set; }

    public List<float> Coefficients { get; } = [];

    /// <summary>The largest coefficient of an entropy.</summary>
    public float EntropyCoefficientMax { get; private set; }

    /// <summary>Sequences of each group of each forward pass.</summary>
    public List<string> Groups { get; } = [];

    /// <summary>Scored tokens of each update.</summary>
    public List<int> Updates { get; } = [];

    public long Parameters => 0;

    public void Forward(PackedBatch batch, double temperature, bool keepForBackward, TokenScores scores) => Score(LogProb, batch, scores);

    public void ForwardReference(PackedBatch batch, double temperature, TokenScores scores) => Score(ReferenceLogProb, batch, scores);

    public void Backward(ReadOnlySpan<float> dLogProb, ReadOnlySpan<float> dEntropy)
    {
        Coefficients.AddRange(dLogProb);
        foreach (float coefficient in dEntropy)
        {
            EntropyCoefficientMax = Math.Max(EntropyCoefficientMax, Math.Abs(coefficient));
        }

        _sinceUpdate += dLogProb.Length;
    }

    public UpdateResult Update(OptimizerPlan optimizer, double learningRate)
    {
        Updates.Add(_sinceUpdate);
        _sinceUpdate = 0;
        return new UpdateResult(1, Digest.Of($"{Updates.Count}"));
    }

    private void Score(float logProb, PackedBatch batch, TokenScores scores)
    {
        Groups.Add(batch.GroupStarts is { } starts ? string.Join(',', starts.Skip(1).Zip(starts, (end, start) => end - start)) : "none");
        Array.Fill(scores.LogProbs, logProb);
        Array.Fill(scores.Entropies, 1f);
        if (Forwards++ == PoisonForward)
        {
            (PoisonEntropy ? scores.Entropies : scores.LogProbs)[0] = Poison;
        }
    }

    public void ResetOptimizer() => throw new NotSupportedException();

    public void KeepReference() => throw new NotSupportedException();

    public void MixReference(double share) => throw new NotSupportedException();

    public PolicyWeights Publish(PolicyVersion version, Digest policy) => throw new NotSupportedException();

    public TrainerState Capture() => throw new NotSupportedException();

    public void Restore(TrainerState state) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
