namespace GrpoActors.Cluster.Nodes;

/// <summary>What a program says of a node of a cluster; what it leaves out is as <see cref="ConfigFile"/> says, or <c>hocon/reference.conf</c>.</summary>
public sealed record GrpoNodeSettings
{
    /// <summary>Unique in the cluster: letters, digits, '-', '_', '.'. Default: advertised host and port.</summary>
    public string? Name { get; init; }

    /// <summary>Some of <c>coordinator</c>, <c>trainer</c>, <c>generator</c>, <c>scorer</c>. Default: all.</summary>
    public IReadOnlyList<string>? Roles { get; init; }

    /// <summary>Address that both servers of the node are bound to. Default 127.0.0.1: this machine alone.</summary>
    public string? Host { get; init; }

    /// <summary>How other nodes call this one. Default: as <see cref="Host"/>, or the machine's name.</summary>
    public string? AdvertisedHost { get; init; }

    /// <summary>TCP port for messages. Default 4053; 0: any that is free.</summary>
    public int? Port { get; init; }

    /// <summary>TCP port for weights, health, metrics and status. Default 4054; 0: any that is free.</summary>
    public int? HttpPort { get; init; }

    /// <summary>Nodes to join through as HOST:PORT, the same list on every node. Default: this node, which begins a cluster.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>This node's files. Default: the run folder, or <c>nodes/NAME</c> in it where the node is no coordinator.</summary>
    public string? Folder { get; init; }

    /// <summary>Path of a HOCON file that is laid over <c>hocon/reference.conf</c>.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>Goes on serving its reports when the run is over.</summary>
    internal bool Stay { get; init; }
}
