using System.CommandLine;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo drain</c>.</summary>
internal static class DrainCommand
{
    private const string Description = """
        Asks a node of a cluster to leave: what it holds is finished or given back, and its process ends. The run goes on without it.

        Example:
          grpo drain 127.0.0.1:4054
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("drain", Description.ReplaceLineEndings("\n"));
        var node = new NodeAddressArgument();
        node.AddTo(command);
        command.SetAction(async parsed =>
        {
            parsed.InvocationConfiguration.Output.WriteLine((await node.PostAsync(parsed, "/drain", signals.Stop)).TrimEnd());
            return ExitCodes.Done;
        });
        return command;
    }
}
