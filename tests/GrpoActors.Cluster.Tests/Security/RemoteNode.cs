using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Hosting.Logging;
using Akka.Remote;
using GrpoActors.Cluster.Security;

namespace GrpoActors.Cluster.Tests.Security;

/// <summary>An actor system with remoting on loopback, an echo at /user/echo, and its warnings and errors as a node's log shows them.</summary>
internal sealed class RemoteNode : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private RemoteNode(ActorSystem system, LogLines log)
    {
        (System, Log) = (system, log);
        Address = ((ExtendedActorSystem)system).Provider.DefaultAddress;
    }

    public ActorSystem System { get; }

    public Address Address { get; }

    public LogLines Log { get; }

    /// <summary>Where it listens, which is not the address's port behind a proxy.</summary>
    public int Port => System.Settings.Config.GetInt("test.port", Address.Port!.Value);

    public static RemoteNode Start(string name, NodeSecurity security, string hocon = "")
    {
        Config config = ConfigurationFactory.ParseString(hocon).WithFallback(ConfigurationFactory.ParseString("""
            akka.actor.provider = remote
            akka.loglevel = WARNING
            akka.stdout-loglevel = OFF
            akka.loggers = ["Akka.Hosting.Logging.LoggerFactoryLogger, Akka.Hosting"]
            akka.remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
            akka.remote.retry-gate-closed-for = 20 ms
            """));
        var log = new LogLines();
        Setup[] setups =
        [
            BootstrapSetup.Create().WithConfig(SecurityHocon.For(security, "127.0.0.1").WithFallback(config)),
            new LoggerFactorySetup(new DeduplicatingLogger(log, TimeProvider.System)),
            .. SecurityHocon.Setups(security),
        ];
        ActorSystem system = ActorSystem.Create(name, ActorSystemSetup.Create(setups));
        system.ActorOf(Props.Create(() => new Echo()), "echo");
        return new RemoteNode(system, log);
    }

    /// <summary>What the other node's echo answers.</summary>
    public Task<string> Ask(Address other, string text) => Ask(other, text, Patience);

    public Task<string> Ask(Address other, string text, TimeSpan patience) => EchoOf(other).Ask<string>(text, patience);

    public void Tell(Address other, string text) => EchoOf(other).Tell(text);

    public async ValueTask DisposeAsync() => await System.Terminate();

    private ActorSelection EchoOf(Address other) => System.ActorSelection(new RootActorPath(other) / "user" / "echo");

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }
}
