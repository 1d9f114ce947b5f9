using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo status</c>.</summary>
internal static class StatusCommand
{
    private const string Description = """
        Asks a node of a cluster how it and its run stand. The coordinator knows the run; other nodes know themselves.

        Example:
          grpo status 127.0.0.1:4054
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("status", Description.ReplaceLineEndings("\n"));
        var node = new NodeAddressArgument();
        var json = new Option<bool>("--json") { Description = "The node's answer as it is, one JSON object." };
        node.AddTo(command);
        command.Add(json);
        command.SetAction(async parsed =>
        {
            string answer = await node.GetAsync(parsed, "/status", signals.Stop);
            foreach (string line in parsed.GetValue(json) ? [answer] : Lines(JsonNode.Parse(answer)!.AsObject()))
            {
                parsed.InvocationConfiguration.Output.WriteLine(line);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static IEnumerable<string> Lines(JsonObject status)
    {
        yield return $"node       {status["name"]} ({string.Join(", ", status["roles"]!.AsArray().Select(role => role!.ToString()))}): {status["standing"]}";
        if (status["run"] is not JsonObject run)
        {
            yield break;
        }

        yield return $"run        step {run["step"]} of {run["steps"]}{(run["phase"] is { } phase ? $", phase {phase}" : "")}{(run["ended"] is { } ended ? $", ended: {ended}" : "")}";
        yield return $"groups     {run["groupsOpen"]} open";
        yield return string.Create(CultureInfo.InvariantCulture, $"tokens     {run["tokensSampled"]!.GetValue<long>():N0} sampled, {run["tokensTrained"]!.GetValue<long>():N0} trained");
        yield return $"workers    {run["generators"]} generators, {run["scorers"]} scorers, {run["trainers"]} trainers";
    }
}
