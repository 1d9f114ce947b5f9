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
/// Akka.Remote 1.5.74 shuts its whole actor system down when a TLS handshake fails that it began itself. So a stranger at the address of a node that has gone, or a node that is killed
/// while it is called, would put this one out. Here that is an association that fails, is named, and is tried again.
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
        string? refusal = null;
        try
        {
            using var patience = new CancellationTokenSource(handshakeMax);
            using var connection = new TcpClient();
            await connection.ConnectAsync(remoteAddress.Host, remoteAddress.Port!.Value, patience.Token).ConfigureAwait(false);
            await using var tls = new SslStream(connection.GetStream());
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = remoteAddress.Host,
                    ClientCertificateContext = security.CertificateContext,
                    RemoteCertificateValidationCallback = (_, shown, chain, errors) => (refusal = security.Refusal(shown as X509Certificate2, chain, errors)) is null,
                },
                patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            throw new InvalidAssociationException($"no TLS handshake within {handshakeMax.TotalSeconds} s");
        }
        catch (SocketException e)
        {
            throw new InvalidAssociationException(e.Message);
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            throw new InvalidAssociationException(refusal ?? "it does not speak TLS, or does not believe this node's certificate");
        }

        return await below.Associate(remoteAddress).ConfigureAwait(false);
    }
}
