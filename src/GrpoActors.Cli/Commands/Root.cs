using System.CommandLine;
using GrpoActors.Cli.Models;
using GrpoActors.Cli.Plots;

namespace GrpoActors.Cli.Commands;

internal static class Root
{
    public static RootCommand Build(Signals signals) => new("Improves a language model by reinforcement learning from verifiable rewards, and survives kill -9.")
    {
        TrainCommand.Build(signals),
        NodeCommand.Build(signals),
        StatusCommand.Build(signals),
        DrainCommand.Build(signals),
        EvalCommand.Build(signals),
        SampleCommand.Build(signals),
        InspectCommand.Build(),
        ReplayCommand.Build(signals),
        ChaosCommand.Build(signals),
        AuditCommand.Build(),
        ConfigCommands.Build(),
        LogProbsCommand.Build(),
        TokenizeCommand.Build(),
        RenderCommand.Build(),
        ObjectiveCommand.Build(),
        AnswerCommand.Build(),
        ExportCommand.Build(),
        PullCommand.Build(signals),
        PlotCommand.Build(),
        BenchCommand.Build(),
    };

    /// <summary>For example <c>grpo config show</c>.</summary>
    public static string PathOf(Command command)
    {
        var names = new Stack<string>();
        for (Symbol? at = command; at is not null; at = at.Parents.FirstOrDefault())
        {
            names.Push(at is RootCommand ? "grpo" : at.Name);
        }

        return string.Join(' ', names);
    }
}
