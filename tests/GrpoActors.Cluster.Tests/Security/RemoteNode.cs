using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;
using GrpoActors.Cluster.Security;

namespace GrpoActors.Cluster.Tests.Security;

/// <summary>An actor system with remoting on loopback, an echo at /user/echo, and its warnings and errors as a log would show them.</summary>
internal sealed class RemoteNode : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly IActorRef lines;

    private RemoteNode(ActorSystem system, IActorRef lines, NodeSecurity? security)
    {
        System = system;
        this.lines = lines;
        Address = ((ExtendedActorSystem)system).Provider.DefaultAddress;
        Scheme = security is null ? "akka.tcp" : SecurityHocon.Scheme(security);
    }

    public ActorSystem System { get; }

    public Address Address { get; }

    public string Scheme { get; }

    /// <param name="security">Null: a system that knows nothing of the join secret.</param>
    public static RemoteNode Start(string name, NodeSecurity? security, string hocon = "")
    {
        Config config = ConfigurationFactory.ParseString(hocon).WithFallback(ConfigurationFactory.ParseString("""
            akka.actor.provider = remote
            akka.loglevel = WARNING
            akka.stdout-loglevel = OFF
            akka.loggers = []
            akka.remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
            akka.remote.retry-gate-closed-for = 20 ms
            """));
        ActorSystemSetup setup = security is null ? ActorSystemSetup.Empty : SecurityHocon.Setup(security);
        config = security is null ? config : SecurityHocon.For(security, "127.0.0.1").WithFallback(config);
        ActorSystem system = ActorSystem.Create(name, setup.And(BootstrapSetup.Create().WithConfig(config)));
        IActorRef lines = system.ActorOf(Props.Create(() => new Lines()), "lines");
        lines.Ask<Started>(Begin.Instance, Patience).Wait();
        system.ActorOf(Props.Create(() => new Echo()), "echo");
        return new RemoteNode(system, lines, security);
    }

    /// <summary>What the other node's echo answers.</summary>
    public Task<string> Ask(Address other, string text) => System.ActorSelection(new RootActorPath(other) / "user" / "echo").Ask<string>(text, Patience);

    public void Tell(Address other, string text) => System.ActorSelection(new RootActorPath(other) / "user" / "echo").Tell(text);

    /// <summary>The first warnings and errors that a logger would write, as many as this; waits for them.</summary>
    public Task<string[]> FirstLines(int count) => lines.Ask<string[]>(new Until(count), Patience);

    /// <summary>All so far.</summary>
    public Task<string[]> LinesSoFar() => FirstLines(0);

    /// <summary>An association of this system has failed.</summary>
    public Task<AssociationErrorEvent> NextFailure() => Next<AssociationErrorEvent>();

    /// <summary>The first that remoting tells of this kind: with <see cref="AssociationEvent"/>, that an association came about, or failed, or ended.</summary>
    public Task<T> Next<T>()
        where T : AssociationEvent
    {
        var told = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        IActorRef listener = System.ActorOf(Props.Create(() => new Listener<T>(told)));
        System.EventStream.Subscribe(listener, typeof(RemotingLifecycleEvent));
        return told.Task.WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync() => await System.Terminate();

    private sealed record Until(int Count);

    private sealed class Started;

    private sealed class Begin
    {
        public static readonly Begin Instance = new();
    }

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }

    private sealed class Listener<T> : ReceiveActor
    {
        public Listener(TaskCompletionSource<T> told)
        {
            Receive<T>(happened => told.TrySetResult(happened));
            ReceiveAny(_ => { });
        }
    }

    private sealed class Lines : ReceiveActor
    {
        private readonly List<string> written = [];
        private readonly List<(IActorRef Asked, int Count)> waiting = [];

        public Lines()
        {
            Receive<Begin>(_ =>
            {
                Context.System.EventStream.Subscribe(Self, typeof(Warning));
                Context.System.EventStream.Subscribe(Self, typeof(Error));
                Sender.Tell(new Started());
            });
            Receive<LogEvent>(line =>
            {
                if (Context.System.Settings.LogFilter.ShouldTryKeepMessage(line, out _))
                {
                    written.Add(line.Message.ToString()!);
                    Answer();
                }
            });
            Receive<Until>(until =>
            {
                waiting.Add((Sender, until.Count));
                Answer();
            });
        }

        private void Answer()
        {
            foreach ((IActorRef asked, int count) in waiting.Where(who => written.Count >= who.Count).ToArray())
            {
                waiting.Remove((asked, count));
                asked.Tell(written.ToArray());
            }
        }
    }
}
