using GrpoActors.Engine.Torch;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class GoldenTests : GoldenConformance
{
    [Theory]
    [MemberData(nameof(Models))]
    public void In_bfloat16_log_probs_are_near(string name)
    {
        using var golden = new GoldenModel(name);
        using ITrainer trainer = TorchModel.Trainer(golden.Spec, golden.Weights, dtype: "bfloat16");
        PackedBatch batch = golden.Batch;
        TokenScores scores = MicroModel.Scores(batch);
        trainer.Forward(batch, 1, keepForBackward: true, scores);
        double[] logProbs = [.. Enumerable.Range(0, 4).SelectMany(i => golden.Doubles($"logp.{i}"))];
        for (int t = 0; t < batch.Targets; t++)
        {
            Assert.Equal(logProbs[t], scores.LogProbs[t], 0.25);
        }

        trainer.Backward(golden.Coefficients, []);
        Assert.Equal(golden.GradNorm, trainer.Update(AdamW, 1e-3).GradNorm, golden.GradNorm * 0.05);
    }

    protected override IEngine Open(ModelSpec spec) => TorchModel.Engine(spec);

    protected override IReadOnlyList<NamedTensor> GradientOf(ITrainer trainer) => ((TorchTrainer)trainer).Gradient();
}
