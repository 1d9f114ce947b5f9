using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Hub.Tests;
using Xunit;

namespace GrpoActors.Runtime.Tests.Composition;

public sealed class RecipeTests
{
    [SmolLM2Fact]
    public void The_gsm8k_recipe_has_the_settings_of_TRLs_run()
    {
        var settings = new GrpoRunSettings { Overrides = [("model.path", SmolLM2.Folder!)] };
        RunIdentity plan = GrpoRun.Check(Path.Combine(RepositoryRoot(), "recipes", "gsm8k.json"), settings).PlanOrThrow().Identity;
        PhasePlan phase = plan.Phases[0];
        GroupPlan group = phase.Groups;
        SamplingPlan sampling = group.Sampling;
        Assert.Equal((40, 320L, 4, 8, 96), (phase.Steps, phase.Data.Rows, group.GroupsPerStep, group.NumGenerations, group.MaxCompletionLength));
        Assert.Equal((1e-5, "constant", 0, 1), (phase.Schedule.LearningRate, phase.Schedule.Kind, phase.Schedule.WarmupSteps, group.NumIterations));
        Assert.Equal(new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1), phase.Optimizer);
        Assert.Equal((1, 0, 1, 0, 1), (sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP, sampling.RepetitionPenalty));
        Assert.False(phase.NeedsReference);
    }

    private static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "GrpoActors.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The repository's root, with GrpoActors.sln, is not above the tests.");
    }
}
