using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using Xunit;

namespace GrpoActors.Runtime.Tests.Composition;

public sealed class EngineByNameTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_engine_of_another_assembly_runs_the_plan_that_names_it()
    {
        EngineProviders.Register(new ForeignProvider());
        RunPlan plan = Check("foreign").PlanOrThrow();
        Assert.Equal(("foreign", "foreign-7"), (plan.Identity.Engine, plan.Identity.NumericsRevision));
        using RunSetup setup = RunComposition.Build(plan, RewardRegistry.BuiltIn);
        Assert.IsType<ForeignEngine>(setup.Engine);
    }

    [Fact]
    public void An_engine_that_is_not_there_is_a_mistake_of_the_run_file()
    {
        ConfigError error = Assert.Single(Check("gpu").Errors);
        Assert.Equal(("engine", "is \"gpu\", which is no engine."), (error.Key, error.Problem));
    }

    [Fact]
    public void A_plan_whose_engine_this_program_lacks_is_told_so_when_it_is_built()
    {
        RunPlan plan = Check(RunIdentity.DefaultEngine).PlanOrThrow();
        RunPlan elsewhere = plan with { Identity = plan.Identity with { Engine = "gpu" } };
        ConfigException mistake = Assert.Throws<ConfigException>(() => RunComposition.Build(elsewhere, RewardRegistry.BuiltIn));
        Assert.StartsWith("engine: is \"gpu\", which is no engine.", mistake.Message);
    }

    private PlanResult Check(string engine)
    {
        TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("rows.jsonl"), "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n");
        File.WriteAllText(folder.File("run.json"), """
            {
              "model": { "path": "model" },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 1, "groups_per_step": 1,
                "num_generations": 2, "max_completion_length": 4 } ],
              "rewards": [ { "kind": "length", "settings": { "target": 3 } } ]
            }
            """);
        return GrpoRun.Check(folder.File("run.json"), new GrpoRunSettings { Overrides = [("engine", engine)] });
    }

    private sealed class ForeignProvider : IEngineProvider
    {
        public string Name => "foreign";

        public string NumericsRevision => "foreign-7";

        public IEngine Open(ModelSpec spec, EngineOptions options) => new ForeignEngine();
    }

    private sealed class ForeignEngine : IEngine
    {
        public EngineTraits Traits { get; } = new("foreign", Exact: false, "foreign-7", VectorBits: 0, Fma: true);

        public ISampler OpenSampler() => throw new InvalidOperationException("Nobody samples.");

        public ITrainer OpenTrainer(PolicyWeights weights) => throw new InvalidOperationException("Nobody trains.");

        public void Dispose()
        {
        }
    }
}
