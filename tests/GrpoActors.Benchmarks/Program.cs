using System.CommandLine;
using GrpoActors.Benchmarks;
using GrpoActors.Benchmarks.ClusterScaling;

// One file a command: a further benchmark is one more line here.
var root = new RootCommand("Measures the kernels and the engine as shares of what this machine can do, and what durability costs. docs/performance.md says how to read the figures.")
{
    RooflineCommand.Build(),
    KernelsCommand.Build(),
    DecodeCommand.Build(),
    TrainingCommand.Build(),
    EnginesCommand.Build(),
    CoefficientsCommand.Build(),
    AppendsCommand.Build(),
    RestartCommand.Build(),
    ScalingCommand.Build(),
    LoadingCommand.Build(),
    TokenizeCommand.Build(),
    ClusterScalingCommand.Build(),
    CoordinatorCommand.Build(),
    MemoryCommand.Build(),
    PrefixCommand.Build(),
    RecipeCommand.Build(),
};
return root.Parse(args).Invoke();
