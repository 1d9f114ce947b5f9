using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Schedules;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Training;
using Xunit;

namespace GrpoActors.Engine.Tests;

/// <summary>The first steps of objectives on both engines, from the same weights and the same completions.</summary>
public sealed class StepObjectiveTests
{
    private static readonly ModelSpec Spec = MicroModel.Spec();
    private static readonly PolicyWeights Weights = MicroModel.Weights(Spec);
    private static readonly SeedTree Seeds = new(7);

    [Theory]
    [InlineData("grpo")]
    [InlineData("dapo")]
    [InlineData("dr_grpo")]
    [InlineData("cispo")]
    [InlineData("sapo")]
    [InlineData("bnpo")]
    public void A_first_step_is_the_cpu_engines(string objective)
    {
        PhasePlan plan = Plan(objective);
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

    private static int[] PromptOf(long row) => [.. Enumerable.Range(0, 3 + (int)row).Select(i => 3 + ((i + (int)row) % 16))];

    private static PhasePlan Plan(string objective)
    {
        ObjectivePlan loss = ObjectivePlan.For(Dialect.Trl, objective, new ObjectiveOptions { Beta = 0.02 });
        var group = new GroupPlan(4, 4, 12, SamplingPlans.Plain with { Temperature = 0.9 }, 1, 1, loss, 0, RefillExhausted.TrainWhatThereIs, false, false);
        return new PhasePlan(
            "grpo", PhaseKind.Grpo, 10, new DataPlan("", 4, default, 100), false, new LearningRateSchedule { LearningRate = 1e-3, TotalSteps = 10 },
            new OptimizerPlan(0.9, 0.95, 1e-8, 0, 1.0), 0, group);
    }

    private static TrainingBatch Sampled(PhasePlan phase)
    {
        using var engine = new CpuEngine(Spec, new EngineOptions(1, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(Weights);
        GroupId[] ids = [.. Enumerable.Range(0, 4).Select(i => new GroupId(0, GroupStream.Primary, i))];
        IReadOnlyList<Completion[]> groups = sampler.Sample(
            [.. ids.Select((id, i) => new SamplePrompt(PromptOf(i), Seeds.Sampling(id), [0, 1, 2, 3]))], new SampleSettings(phase.Groups.Sampling, 12, Greedy: false), null, default);
        var rows = ImmutableArray.CreateBuilder<TrainingRow>();
        for (int i = 0; i < 4; i++)
        {
            double[] rewards = [.. groups[i].Select(completion => completion.Tokens.Count(token => token == 4) / (double)completion.Tokens.Length)];
            for (int j = 0; j < 4; j++)
            {
                rows.Add(new TrainingRow(new CompletionId(ids[i], j), i, new PolicyVersion(0), groups[i][j], rewards[j], [rewards[j]], rewards[j] - rewards.Average()));
            }
        }

        var inputs = new StepInputs(0, 0, PhaseKind.Grpo, [], 0, 3, [], 0, 0, 1e-3, new AdaptiveState(phase.Groups.Objective.Kl.Coefficient, 0, 1), null);
        return new TrainingBatch(inputs, rows.ToImmutable(), Digest.Of("batch"));
    }
}
