using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Remote.Transport;

namespace GrpoActors.Cluster.Security;

/// <summary>Hands a node's security to an actor system.</summary>
internal sealed class NodeSecuritySetup(NodeSecurity security) : Setup
{
    public NodeSecurity Security => security;
}

/// <summary>Named by <c>akka.remote.adapters.preflight</c>.</summary>
internal sealed class PreflightTransportProvider : ITransportAdapterProvider
{
    public Transport Create(Transport wrappedTransport, ExtendedActorSystem system) => new PreflightTransport(wrappedTransport, system);
}

/// <summary>Calls another node only after a TLS handshake on a connection of its own has shown that the two believe each other.</summary>
/// <remarks>
/// Akka.Remote 1.5.74 shuts its whole actor system down when a TLS handshake fails that it began itself. So a stranger at the address of a node that has
/// gone, or a node that is killed while it is called, would put this one out. Here that is an association that fails, is named, and is tried again.
/// </remarks>
internal sealed class PreflightTransport : Transport
{
    private readonly Transport below;
    private readonly NodeSecurity security;
    private readonly TimeSpan handshakeMax;

    public PreflightTransport(Transport below, ExtendedActorSystem system)
    {
        this.below = below;
        System = system;
        Config = below.Config;
        SchemeIdentifier = below.SchemeIdentifier;
        MaximumPayloadBytes = below.MaximumPayloadBytes;
        security = system.Settings.Setup.Get<NodeSecuritySetup>().Value.Security;
        // An association may take this long in all: what is left must do for the connection itself.
        handshakeMax = below.Config.GetTimeSpan("connection-timeout") / 2;
    }

    public override bool IsResponsibleFor(Address remote) => below.IsResponsibleFor(remote);

    public override Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen() => below.Listen();

    public override Task<bool> Shutdown() => below.Shutdown();

    public override Task<bool> ManagementCommand(object message) => below.ManagementCommand(message);

    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        // Open until the association stands: an end right behind the handshake could reach the other node before it is through with its part.
        await using SslStream preflight = await Preflight(remoteAddress).ConfigureAwait(false);
        return await below.Associate(remoteAddress).ConfigureAwait(false);
    }

    /// <exception cref="InvalidAssociationException">There is no node of this cluster at the address.</exception>
    private async Task<SslStream> Preflight(Address remote)
    {
        using var patience = new CancellationTokenSource(handshakeMax);
        var connection = new TcpClient();
        try
        {
            await connection.ConnectAsync(remote.Host, remote.Port!.Value, patience.Token).ConfigureAwait(false);
            var tls = new SslStream(connection.GetStream());
            string? refusal = "it shows no certificate";
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = remote.Host,
                    ClientCertificateContext = security.CertificateContext,
                    RemoteCertificateValidationCallback = (_, shown, chain, errors) =>
                    {
                        refusal = security.Refusal(shown as X509Certificate2, chain, errors);
                        return true;
                    },
                },
                patience.Token).ConfigureAwait(false);
            return refusal is null ? tls : throw new InvalidAssociationException(await HungUp(tls, refusal, patience.Token).ConfigureAwait(false));
        }
        catch (Exception e)
        {
            connection.Dispose();
            throw e switch
            {
                OperationCanceledException => new InvalidAssociationException($"no TLS handshake within {handshakeMax.TotalSeconds} s"),
                AuthenticationException or IOException => new InvalidAssociationException("it does not speak TLS, or does not believe this node's certificate"),
                SocketException => new InvalidAssociationException(e.Message),
                _ => e,
            };
        }
    }

    /// <summary>A node with another secret refuses this one as this one refuses it, and can say why if it is not hung up on first.</summary>
    private static async Task<string> HungUp(SslStream tls, string refusal, CancellationToken patience)
    {
        try
        {
            await tls.CopyToAsync(Stream.Null, patience).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // That it is over is all that counts.
        }

        return refusal;
    }
}
