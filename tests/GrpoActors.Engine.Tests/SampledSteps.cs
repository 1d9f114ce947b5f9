using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Schedules;
using GrpoActors.Engine.Cpu;

namespace GrpoActors.Engine.Tests;

/// <summary>Steps of objectives over what the micro model samples.</summary>
internal static class SampledSteps
{
    internal static readonly ModelSpec Spec = MicroModel.Spec();
    internal static readonly SeedTree Seeds = new(7);
    internal static readonly OptimizerPlan AdamW = new(0.9, 0.95, 1e-8, 0, 1.0);

    internal static int[] PromptOf(long row) => [.. Enumerable.Range(0, 3 + (int)row).Select(t => 3 + (t * 5 + (int)row) % 16)];

    internal static PhasePlan Plan(string objective, double beta = 0, int iterations = 1, int miniBatches = 1)
    {
        ObjectivePlan loss = ObjectivePlan.For(Dialect.Trl, objective, new ObjectiveOptions { Beta = beta });
        var group = new GroupPlan(4, 4, 12, SamplingPlans.Plain with { Temperature = 0.9 }, iterations, miniBatches, loss, 0, RefillExhausted.TrainWhatThereIs, false, false);
        return new PhasePlan("grpo", PhaseKind.Grpo, 10, new DataPlan("", 4, default, 100), false, new LearningRateSchedule { LearningRate = 1e-2, TotalSteps = 10 }, AdamW, 0, group);
    }

    internal static StepInputs Inputs(PhaseKind kind, long step, double kl = 0)
        => new(step, 0, kind, [], 0, 3, [], 0, 0, 1e-2, new AdaptiveState(kl, 0, 1), null);

    /// <summary>Four groups of four, sampled by these weights; the reward is the share of the token 4 in the answer.</summary>
    internal static TrainingBatch Sampled(PhasePlan phase, PolicyWeights? weights = null, long step = 0)
    {
        using var engine = new CpuEngine(Spec, new EngineOptions(1, 64));
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(weights ?? MicroModel.Weights(Spec));
        GroupId[] ids = [.. Enumerable.Range(0, 4).Select(i => new GroupId(0, GroupStream.Primary, step * 4 + i))];
        IReadOnlyList<Completion[]> groups = sampler.Sample(
            [.. ids.Select((id, i) => new SamplePrompt(PromptOf(i), Seeds.Sampling(id), [0, 1, 2, 3]))], new SampleSettings(phase.Groups.Sampling, 12, Greedy: false), null, default);
        var rows = ImmutableArray.CreateBuilder<TrainingRow>();
        for (int i = 0; i < 4; i++)
        {
            double[] rewards = [.. groups[i].Select(completion => completion.Tokens.Count(token => token == 4) / (double)completion.Tokens.Length)];
            for (int j = 0; j < 4; j++)
            {
                rows.Add(new TrainingRow(new CompletionId(ids[i], j), i, new PolicyVersion(step), groups[i][j], rewards[j], [rewards[j]], rewards[j] - rewards.Average()));
            }
        }

        return new TrainingBatch(Inputs(PhaseKind.Grpo, step, phase.Groups.Objective.Kl.Coefficient), rows.ToImmutable(), Digest.Of("batch"));
    }
}
