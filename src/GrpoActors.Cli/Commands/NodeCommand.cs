using System.Collections;
using System.CommandLine;
using GrpoActors.Actors;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo node</c>.</summary>
internal static class NodeCommand
{
    private const string Description = """
        Starts one node of a cluster that trains a run file, or goes on where the run's journal ends.

        Every node is given the same run file, model and data. A node has one role or several: coordinator (decides, keeps the journal),
        trainer (holds the weights that learn), generator (samples), scorer (rewards). Nodes may come and go while the run goes on.

        Example:
          grpo node recipes/arithmetic.json
              one process with all roles
          grpo node recipes/arithmetic.json --name g2 --roles generator --port 0 --http-port 0 --seed 127.0.0.1:4053
              one more generator for a cluster whose first node is at 127.0.0.1:4053
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("node", Description.ReplaceLineEndings("\n"));
        var file = new Argument<string>("RUNFILE") { Description = "A run file, such as recipes/arithmetic.json; the same on every node." };
        var name = new Option<string?>("--name") { Description = "Of the node, unique in the cluster; by default its address.", HelpName = "NODE" };
        var roles = new Option<string?>("--roles") { Description = "What the node does: coordinator,trainer,generator,scorer (default: all).", HelpName = "ROLES" };
        var host = new Option<string?>("--host") { Description = "Address to listen at (default 127.0.0.1: this machine alone).", HelpName = "HOST" };
        var advertised = new Option<string?>("--advertised-host") { Description = "How other nodes call this one; by default as --host, or the machine's name.", HelpName = "HOST" };
        var port = new Option<int?>("--port") { Description = "TCP port for messages (default 4053; 0: any that is free).", HelpName = "PORT" };
        var httpPort = new Option<int?>("--http-port") { Description = "TCP port for weights, health, metrics and status (default 4054; 0: any that is free).", HelpName = "PORT" };
        var seed = new Option<string[]>("--seed") { Description = "A node to join through; may be repeated, the same list on every node. Default: this node, which begins a cluster.", HelpName = "HOST:PORT", DefaultValueFactory = _ => [] };
        var folder = new Option<string?>("--folder") { Description = "This node's files; by default the run folder, or nodes/NAME in it where the node is no coordinator.", HelpName = "DIR" };
        var config = new Option<string?>("--config") { Description = "HOCON file laid over the defaults (hocon/reference.conf states them all).", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "Set one setting of the run file; may be repeated.", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };
        var stay = new Option<bool>("--stay") { Description = "Go on serving /status and /metrics when the run is over." };
        var fresh = new Option<bool>("--fresh") { Description = "Set the files of an earlier run of this name aside, on the coordinator also its journal, and begin anew." };
        var acceptLostTail = new Option<bool>("--accept-lost-tail")
        {
            Description = "Go on although the journal has lost its last steps and they cannot be computed again (order arrival, or a reward ran out of time).",
        };
        var json = new Option<bool>("--json") { Description = "On the coordinator: end with the result as one JSON object on stdout." };
        command.Add(file);
        foreach (Option option in new Option[] { name, roles, host, advertised, port, httpPort, seed, folder, config, set, stay, fresh, acceptLostTail, json })
        {
            command.Add(option);
        }

        command.SetAction(async parsed =>
        {
            NodeOptions options = NodeOptions.Of(parsed.GetRequiredValue(file), new GrpoNodeSettings
            {
                Name = parsed.GetValue(name),
                Roles = parsed.GetValue(roles)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Host = parsed.GetValue(host),
                AdvertisedHost = parsed.GetValue(advertised),
                Port = parsed.GetValue(port),
                HttpPort = parsed.GetValue(httpPort),
                Seeds = parsed.GetValue(seed) ?? [],
                Folder = parsed.GetValue(folder),
                ConfigFile = parsed.GetValue(config),
                Stay = parsed.GetValue(stay),
            });
            var settings = new GrpoRunSettings
            {
                Overrides = Assignments(parsed.GetValue(set) ?? []),
                Environment = [.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""))],
                Fresh = parsed.GetValue(fresh),
                AcceptLostTail = parsed.GetValue(acceptLostTail),
                CrashPoints = CrashPoints.Parse(Environment.GetEnvironmentVariable(CrashPoints.Variable)),
            };
            return await Run(options, settings, parsed.InvocationConfiguration.Output, parsed.GetValue(json), signals.Stop);
        });
        return command;
    }

    private static async Task<int> Run(NodeOptions options, GrpoRunSettings settings, TextWriter output, bool json, CancellationToken stop)
    {
        using ILoggerFactory logs = NodeLog.Factory(options.Config);
        ILogger log = logs.CreateLogger(options.Name);
        await using ClusterNode node = await ClusterNode.OpenAsync(options, settings, new StepLog(log).Write, logs);
        log.LogInformation("{Roles} at {Http}", string.Join(", ", options.Roles), node.Http);
        RunOutcome? outcome = await node.RunAsync(stop);
        settings.CrashPoints.WriteCounts(Console.Error);
        switch (outcome)
        {
            case RunOutcome.Complete { Result: { } result }:
                foreach (string line in json ? [ResultText.Json(result)] : ResultText.Lines(result))
                {
                    output.WriteLine(line);
                }

                return result.End is Core.Runs.RunEnd.Completed ? ExitCodes.Done : ExitCodes.Failure;
            case RunOutcome.Failed failed:
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed.Failure);
                return ExitCodes.Failure;
            case null: // drained
                stop.ThrowIfCancellationRequested();
                return ExitCodes.Done;
            default:
                return ExitCodes.Done;
        }
    }

    private static List<(string Key, string Value)> Assignments(string[] written)
    {
        var assignments = new List<(string, string)>();
        foreach (string assignment in written)
        {
            int equals = assignment.IndexOf('=');
            assignments.Add(equals > 0
                ? (assignment[..equals].Trim(), assignment[(equals + 1)..])
                : throw new ConfigException([new ConfigError("--set", $"is \"{assignment}\", which has no value.", "Write --set KEY=VALUE, for example --set phases.grpo.steps=3.")]));
        }

        return assignments;
    }
}
