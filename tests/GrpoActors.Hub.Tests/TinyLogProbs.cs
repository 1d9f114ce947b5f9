using GrpoActors.Core.Plans;
using GrpoActors.Engine;

namespace GrpoActors.Hub.Tests;

/// <summary>Log-probs of nine fixed tokens: two models with the same bits are the same model.</summary>
public static class TinyLogProbs
{
    public static float[] Of(string folder)
    {
        using PretrainedModel opened = PretrainedModel.Open(folder);
        return Of(opened.Spec, opened.Weights);
    }

    public static float[] Of(ModelSpec spec, PolicyWeights weights)
    {
        using IEngine engine = EngineProviders.Open(RunIdentity.DefaultEngine, spec, new EngineOptions(1, 256));
        using ITrainer trainer = engine.OpenTrainer(weights);
        var batch = new PackedBatch([.. Enumerable.Range(3, 9)], [0, 9], [2]);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        trainer.Forward(batch, 1, keepForBackward: false, scores);
        return scores.LogProbs;
    }
}
