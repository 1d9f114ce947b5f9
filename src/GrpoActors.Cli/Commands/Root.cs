using System.CommandLine;
using GrpoActors.Cli.Models;
using GrpoActors.Cli.Plots;
using GrpoActors.Core.Plans;

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

    /// <summary>What is wrong with a command line, a sentence each; a misspelt command or option is told the nearest one.</summary>
    public static IEnumerable<string> Mistakes(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        string path = PathOf(command);
        if (command.Subcommands.Count > 0 && parsed.UnmatchedTokens is [var name, ..] && !name.StartsWith('-'))
        {
            string[] names = [.. command.Subcommands.Select(known => known.Name)];
            return [$"{name} is no command of {path}. {(NearestName.Of(name, names) is { } near ? $"Did you mean {near}?" : $"There are {string.Join(", ", names)}.")}"];
        }

        string[] options = [.. command.Options.Select(option => option.Name)];
        IEnumerable<string> unknown = parsed.UnmatchedTokens.Select(token => !token.StartsWith('-') ? $"{token} is more than {path} takes."
            : NearestName.Of(token.Split('=')[0], options) is { } near ? $"{token} is no option of {path}. Did you mean {near}?"
            : $"{token} is no option of {path}.");
        return unknown.Concat(parsed.Errors.Select(error => error.Message).Where(message => !parsed.UnmatchedTokens.Any(token => message.Contains($"'{token}'", StringComparison.Ordinal)))).Distinct();
    }

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
