using GrpoActors.Actors;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards;

namespace GrpoActors.Hosting;

/// <summary>The run of a host: its run file, what the program adds to it, and whether this process is all of it or a node of a cluster.</summary>
public sealed class GrpoActorsOptions
{
    /// <summary>Path of a run file, such as recipes/arithmetic.json; the same on every node.</summary>
    public string RunFile { get; set; } = "";

    /// <summary>The rewards that the run file may name; by default the built-in ones. In a cluster each node's program gives the same ones.</summary>
    public RewardRegistry Rewards { get; set; } = RewardRegistry.BuiltIn;

    /// <summary>Laid over the run file: path of a setting, and its value as JSON or plain text. The same on every node.</summary>
    public IDictionary<string, string> Overrides { get; } = new SortedDictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Null: the run is in this process alone. Else this process is a node of a cluster.</summary>
    public GrpoNodeSettings? Node { get; set; }

    /// <summary>Sets an old run folder of this name aside at each start of the host and begins anew. Default: the run goes on where its journal ends.</summary>
    public bool Fresh { get; set; }

    /// <summary>Arrival order: go on although the journal has lost its tail.</summary>
    public bool AcceptLostTail { get; set; }

    /// <summary>
    /// Whether the host stops when the run is over; by default it does. If not, a node goes on serving its reports. A run that fails stops the host in any case, and the host's
    /// <c>StopAsync</c>, and with it <c>RunAsync</c>, ends with the failure.
    /// </summary>
    public bool StopHostWhenOver { get; set; } = true;

    /// <exception cref="ConfigException">No run file was named.</exception>
    internal GrpoRunSettings Settings() => RunFile.Length == 0
        ? throw new ConfigException([new ConfigError("run file", "is not named.", """Name one: services.AddGrpoActors("recipes/arithmetic.json").""")])
        : new GrpoRunSettings { Rewards = Rewards, Overrides = [.. Overrides.Select(set => (set.Key, set.Value))], Fresh = Fresh, AcceptLostTail = AcceptLostTail };
}
