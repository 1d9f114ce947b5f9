using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Training;
using Xunit;
using static GrpoActors.Engine.Tests.SampledSteps;

namespace GrpoActors.Engine.Tests;

/// <summary>The first steps of objectives on both engines, from the same weights and the same completions.</summary>
public sealed class StepObjectiveTests
{
    private static readonly PolicyWeights Weights = MicroModel.Weights(Spec);

    [Theory]
    [InlineData("grpo")]
    [InlineData("dapo")]
    [InlineData("dr_grpo")]
    [InlineData("cispo")]
    [InlineData("sapo")]
    [InlineData("bnpo")]
    public void A_first_step_is_the_cpu_engines(string objective)
    {
        PhasePlan plan = Plan(objective, beta: 0.02);
        TrainingBatch batch = Sampled(plan);
        using CpuTrainer cpu = MicroModel.Trainer(Spec, Weights);
        using ITrainer torch = TorchModel.Trainer(Spec, Weights);
        StepOutputs expected = Step(cpu, batch, plan), found = Step(torch, batch, plan);
        foreach (string metric in new[] { "loss", "grad_norm", "entropy", "kl" })
        {
            Assert.Equal(expected[metric]!.Value, found[metric]!.Value, 1e-5 * Math.Max(1, Math.Abs(expected[metric]!.Value)));
        }

        foreach ((NamedTensor like, NamedTensor of) in cpu.Publish(new PolicyVersion(1), default).Tensors.Zip(torch.Publish(new PolicyVersion(1), default).Tensors))
        {
            Assert.True(TorchModel.RelativeError(of.Values.Span, like.Values.Span) < 1e-4, like.Name); // AdamW's first step is the sign of a gradient, so that a gradient of 0 may go either way
        }
    }

    private static StepOutputs Step(ITrainer trainer, TrainingBatch batch, PhasePlan plan)
    {
        trainer.KeepReference();
        return new StepTrainer(trainer, Seeds, 1000).Train(batch, plan, PromptOf, default, ["fours"], default);
    }
}
