using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence.Sql;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Cluster.Tests.Journal;

/// <summary>One process with a journal's actor under a parent that hands everything on to a probe, failures included.</summary>
internal sealed class JournalNode : IDisposable
{
    private readonly ActorSystem system;
    private readonly IActorRef parent;

    public JournalNode(string? setting, string runFolder, string persistenceId, RunIdentity plan, IActorRef probe, Action<FoldedEvent>? replayed = null)
    {
        system = ActorSystem.Create("journal", Config(setting, runFolder));
        Props journal = JournalActor.Props(persistenceId, plan, replayed ?? (_ => { }));
        parent = system.ActorOf(Props.Create(() => new Parent(journal, probe)));
    }

    public static Config Config(string? setting, string runFolder) => ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = local }")
        .WithFallback(JournalHocon.Of(setting, runFolder))
        .WithFallback(ConfigurationFactory.FromResource("reference.conf", typeof(JournalHocon).Assembly))
        .WithFallback(SqlPersistence.DefaultConfiguration);

    public void Tell(object message) => parent.Tell(message);

    public void Dispose() => system.Terminate().GetAwaiter().GetResult();

    /// <summary>What the supervisor would see: the failure as it reached the parent, then the stop.</summary>
    internal sealed record ChildFailed(Exception Cause);

    internal sealed record ChildStopped;

    private sealed class Parent : UntypedActor
    {
        private readonly IActorRef child;
        private readonly IActorRef probe;

        public Parent(Props journal, IActorRef probe)
        {
            this.probe = probe;
            child = Context.Watch(Context.ActorOf(journal, "journal"));
        }

        protected override void OnReceive(object message)
        {
            if (message is Terminated)
            {
                probe.Tell(new ChildStopped());
            }
            else
            {
                (Sender.Equals(child) ? probe : child).Tell(message, Self);
            }
        }

        protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(cause =>
        {
            probe.Tell(new ChildFailed(cause));
            return Directive.Stop;
        });
    }
}
