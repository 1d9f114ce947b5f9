using System.Net;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Event;
using Akka.Remote.Transport;

namespace GrpoActors.Cluster.Security;

/// <summary>Hands the join secret to an actor system, apart from its HOCON, which is written to logs.</summary>
internal sealed class JoinSecretSetup(JoinSecret secret) : Setup
{
    public JoinSecret Secret => secret;
}

/// <summary>Named by <c>akka.remote.adapters.grpo</c>; puts <see cref="AuthenticatedTransport"/> on top of the TCP transport.</summary>
internal sealed class AuthenticatedTransportProvider : ITransportAdapterProvider
{
    public Transport Create(Transport wrappedTransport, ExtendedActorSystem system)
    {
        Akka.Util.Option<JoinSecretSetup> setup = system.Settings.Setup.Get<JoinSecretSetup>();
        return setup.HasValue
            ? new AuthenticatedTransport(wrappedTransport, system, setup.Value.Secret)
            : throw new SecurityMistakeException($"The actor system {system.Name} is to check the join secret and has none.");
    }
}

/// <summary>
/// A transport on which nothing arrives, no association, no gossip, no message, before the other end has proved that it has the join secret, and nothing that was not sealed with the
/// keys of this very connection: <see cref="LinkHandshake"/>. The addresses stay those of the transport below.
/// </summary>
internal sealed class AuthenticatedTransport : Transport, IAssociationEventListener
{
    /// <summary>Connections that may be under way to their proof at once; one more is closed at once. Each may hold a frame's bytes.</summary>
    private const int HalfOpenMax = 256;

    private readonly Transport below;
    private readonly ILoggingAdapter log;
    private readonly byte[] key;
    private readonly TimeSpan patience;
    /// <summary>A connection may take as many of <c>handshake-timeout</c> until both ends can speak.</summary>
    private const int ConnectPatiences = 3;

    private readonly OncePerAddress refusals = new();
    private volatile IAssociationEventListener? above;
    private int halfOpen;

    public AuthenticatedTransport(Transport below, ExtendedActorSystem system, JoinSecret secret)
    {
        this.below = below;
        System = system;
        Config = below.Config;
        SchemeIdentifier = below.SchemeIdentifier;
        MaximumPayloadBytes = below.MaximumPayloadBytes - LinkSeal.TagBytes;
        log = Logging.GetLogger(system, typeof(AuthenticatedTransport));
        key = LinkHandshake.KeyOf(secret);
        patience = system.Settings.Config.GetTimeSpan("grpo.security.handshake-timeout", TimeSpan.FromSeconds(5));
    }

    /// <summary>Connections and frames that were refused.</summary>
    public long Refused => refusals.Refused;

    public override bool IsResponsibleFor(Address remote) => below.IsResponsibleFor(remote);

    public override Task<bool> Shutdown() => below.Shutdown();

    public override Task<bool> ManagementCommand(object message) => below.ManagementCommand(message);

    public override async Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        (Address address, TaskCompletionSource<IAssociationEventListener> listener) = await below.Listen().ConfigureAwait(false);
        // The transport below accepts connections once it has its listener; that is this one, as soon as there is one above.
        var listenerAbove = new TaskCompletionSource<IAssociationEventListener>();
        _ = listenerAbove.Task.ContinueWith(
            registered =>
            {
                above = registered.Result;
                listener.TrySetResult(this);
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously | TaskContinuationOptions.OnlyOnRanToCompletion,
            TaskScheduler.Default);
        return (address, listenerAbove);
    }

    public override async Task<AssociationHandle> Associate(Address remoteAddress)
    {
        AssociationHandle plain = await Connect(remoteAddress).ConfigureAwait(false);
        var association = new AuthenticatedAssociation(plain, key, initiator: true, Refuse);
        WatchOver(association);
        association.Begin();
        await association.Proved.ConfigureAwait(false);
        return association;
    }

    /// <summary>The transport below may never answer where TLS came to nothing: then nobody would try again.</summary>
    private async Task<AssociationHandle> Connect(Address remoteAddress)
    {
        Task<AssociationHandle> connecting = below.Associate(remoteAddress);
        try
        {
            return await connecting.WaitAsync(patience * ConnectPatiences).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _ = connecting.ContinueWith(
#pragma warning disable CS0618 // The other overload logs and calls this one.
                late => late.Result.Disassociate(),
#pragma warning restore CS0618
                CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
            throw new InvalidAssociationException($"{remoteAddress} did not take the connection within {(patience * ConnectPatiences).TotalSeconds} s.");
        }
    }

    /// <summary>A connection has come in; whoever is above learns of it when it has proved itself.</summary>
    public void Notify(IAssociationEvent happened)
    {
        if (happened is not InboundAssociation { Association: { } plain })
        {
            above!.Notify(happened);
            return;
        }

        var association = new AuthenticatedAssociation(plain, key, initiator: false, Refuse);
        if (Interlocked.Increment(ref halfOpen) > HalfOpenMax)
        {
            Interlocked.Decrement(ref halfOpen);
            Refuse(plain.RemoteAddress, $"{HalfOpenMax} connections are under way to their proof already");
            association.Close();
            return;
        }

        _ = association.Proved.ContinueWith(
            proved =>
            {
                Interlocked.Decrement(ref halfOpen);
                if (proved.IsCompletedSuccessfully)
                {
                    above!.Notify(new InboundAssociation(association));
                }
                else
                {
                    // Refused and logged where it happened.
                    _ = proved.Exception;
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        WatchOver(association);
        association.Begin();
    }

    private void WatchOver(AuthenticatedAssociation association)
    {
        ICancelable late = System.Scheduler.Advanced.ScheduleOnceCancelable(patience, () => association.GiveUp($"it had not proved that it has the join secret after {patience.TotalSeconds} s"));
        _ = association.Proved.ContinueWith(_ => late.Cancel(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void Refuse(Address remote, string reason)
    {
        string host = HostOf(remote);
        if (refusals.First(host))
        {
            log.Warning("A connection with {0} was refused: {1}. More of them are counted, not logged.", host, reason);
        }
    }

    /// <summary>As the operator knows it: a socket for both versions of IP calls 127.0.0.1 <c>[::ffff:127.0.0.1]</c>.</summary>
    private static string HostOf(Address remote)
    {
        string host = remote.Host ?? "";
        return IPAddress.TryParse(host, out IPAddress? address) && address.IsIPv4MappedToIPv6 ? address.MapToIPv4().ToString() : host;
    }
}
