using System.Net;

namespace GrpoActors.Cluster.Security;

/// <summary>What a node may open itself to.</summary>
internal static class Binding
{
    /// <summary>Whether only processes of this machine can reach what is bound to this host.</summary>
    public static bool IsLoopback(string host) => host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <exception cref="SecurityMistakeException">Open to other machines, and plain.</exception>
    public static void RequireTls(string host, NodeSecurity security)
    {
        if (security.Certificate is null && !IsLoopback(host))
        {
            throw new SecurityMistakeException(
                $"The node is bound to {host}, where other machines reach it, without a join secret: "
                + $"set grpo.security.secret-file or {JoinSecret.Variable}, or bind to 127.0.0.1.");
        }
    }
}
