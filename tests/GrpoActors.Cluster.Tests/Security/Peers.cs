using System.Net.Security;
using System.Text;
using GrpoActors.Cluster.Security;

namespace GrpoActors.Cluster.Tests.Security;

/// <summary>Nodes' security, and clients that show what such a node shows.</summary>
internal static class Peers
{
    public static NodeSecurity Sharing(string secret) => NodeSecurity.BySecret(JoinSecret.Of(Encoding.UTF8.GetBytes(secret), "a test"));

    /// <summary>Believes whomever it calls: whether it is believed itself is what a test asks.</summary>
    /// <param name="shows">Whose certificate it shows; <see cref="NodeSecurity.None"/>: none.</param>
    public static SslClientAuthenticationOptions Tls(NodeSecurity shows) =>
        new() { TargetHost = "127.0.0.1", ClientCertificateContext = shows.CertificateContext, RemoteCertificateValidationCallback = (_, _, _, _) => true };

    /// <inheritdoc cref="Tls"/>
    public static HttpClient Http(NodeSecurity shows) => new(new SocketsHttpHandler { SslOptions = Tls(shows) });
}
