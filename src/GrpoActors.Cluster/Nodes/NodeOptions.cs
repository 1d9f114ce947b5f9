using System.Collections.Immutable;
using Akka.Configuration;
using GrpoActors.Core.Plans;

namespace GrpoActors.Cluster.Nodes;

/// <summary>What a node does.</summary>
internal static class NodeRoles
{
    public const string Coordinator = "coordinator", Trainer = "trainer", Generator = "generator", Scorer = "scorer";

    public static ImmutableArray<string> All { get; } = [Coordinator, Trainer, Generator, Scorer];
}

/// <summary>Where a node listens: the address that other nodes use.</summary>
internal sealed record NodeAddress(string Host, int Port)
{
    public override string ToString() => $"{Host}:{Port}";
}

/// <summary>A node as it was asked for: the program's settings over a HOCON file over <c>reference.conf</c>.</summary>
/// <param name="Name">Unique in the cluster.</param>
/// <param name="Config">All keys, ours and Akka's.</param>
/// <param name="Stay">Goes on serving its reports when the run is over.</param>
internal sealed record NodeOptions(
    string RunFile, string Name, ImmutableArray<string> Roles, string Host, string AdvertisedHost, int Port, int HttpPort, ImmutableArray<NodeAddress> Seeds, string? Folder, bool Stay, Config Config)
{
    public bool Has(string role) => Roles.Contains(role);

    /// <exception cref="ConfigException">All that is wrong, at once.</exception>
    public static NodeOptions Of(string runFile, GrpoNodeSettings written)
    {
        var errors = new List<ConfigError>();
        Config config = NodeHocon.Read(written.ConfigFile, errors);
        ImmutableArray<string> roles = [.. written.Roles ?? [.. config.GetStringList("grpo.node.roles", [])]];
        foreach (string unknown in roles.Except(NodeRoles.All))
        {
            errors.Add(new ConfigError("roles", $"names \"{unknown}\", which is no role.", $"Roles are {string.Join(", ", NodeRoles.All)}."));
        }

        if (roles.IsEmpty)
        {
            errors.Add(new ConfigError("roles", "names no role.", $"Roles are {string.Join(", ", NodeRoles.All)}."));
        }

        string host = written.Host ?? config.GetString("grpo.node.host", "127.0.0.1");
        string advertised = written.AdvertisedHost ?? config.GetString("grpo.node.advertised-host", "");
        if (advertised.Length == 0)
        {
            advertised = host is "0.0.0.0" or "::" ? System.Net.Dns.GetHostName() : host;
        }

        int port = Checked(written.Port ?? config.GetInt("grpo.node.port", 4053), "port", errors), httpPort = Checked(written.HttpPort ?? config.GetInt("grpo.node.http-port", 4054), "http-port", errors);
        IEnumerable<string> seeds = written.Seeds.Count > 0 ? written.Seeds : config.GetStringList("grpo.node.seeds", []);
        ImmutableArray<NodeAddress> addresses = [.. seeds.Select(seed => Address(seed, errors)).OfType<NodeAddress>()];
        string name = written.Name ?? $"{advertised}-{port}";
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
        {
            errors.Add(new ConfigError("name", $"is \"{name}\".", "Use letters, digits, '-', '_' and '.'."));
        }

        if (errors.Count > 0)
        {
            throw new ConfigException([.. errors]);
        }

        return new NodeOptions(runFile, name, roles, host, advertised, port, httpPort, addresses, written.Folder, written.Stay, config);
    }

    private static int Checked(int port, string option, List<ConfigError> errors)
    {
        if (port is < 0 or > 65535)
        {
            errors.Add(new ConfigError(option, $"is {port}.", "A port is 1 to 65535; 0 takes any that is free."));
        }

        return port;
    }

    private static NodeAddress? Address(string seed, List<ConfigError> errors)
    {
        int colon = seed.LastIndexOf(':');
        if (colon > 0 && int.TryParse(seed[(colon + 1)..], out int port) && port is > 0 and <= 65535)
        {
            return new NodeAddress(seed[..colon], port);
        }

        errors.Add(new ConfigError("seeds", $"is \"{seed}\".", "Write HOST:PORT, for example 127.0.0.1:4053."));
        return null;
    }
}
