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
        PlanResult checkedPlan = GrpoRun.Check(Path.Combine(RepositoryRoot(), "recipes", "gsm8k.json"), new GrpoRunSettings { Overrides = [("model.path", SmolLM2.Folder!)] });
        RunIdentity plan = checkedPlan.PlanOrThrow().Identity;
        GroupPlan group = plan.Phases[0].Groups;
        Assert.Equal((40, 320L, 4, 8, 96), (plan.Phases[0].Steps, plan.Phases[0].Data.Rows, group.GroupsPerStep, group.NumGenerations, group.MaxCompletionLength));
        Assert.Equal((1e-5, "constant", 0, 1), (plan.Phases[0].Schedule.LearningRate, plan.Phases[0].Schedule.Kind, plan.Phases[0].Schedule.WarmupSteps, group.NumIterations));
        Assert.Equal(new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1), plan.Phases[0].Optimizer);
        Assert.Equal((1, 0, 1, 0, 1), (group.Sampling.Temperature, group.Sampling.TopK, group.Sampling.TopP, group.Sampling.MinP, group.Sampling.RepetitionPenalty));
        Assert.False(plan.Phases[0].NeedsReference);
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
