using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Persistence.Sql;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Journal;

namespace GrpoActors.Actors.Tests.Persistence;

/// <summary>One process with a journal's actor under a parent that hands everything on to a probe, failures included.</summary>
internal sealed class JournalNode : IDisposable
{
    private readonly ActorSystem system;
    private readonly IActorRef parent;

    public JournalNode(RunJournal journal, RunIdentity plan, IActorRef probe, Action<FoldedEvent>? replayed = null, string settings = "")
    {
        system = ActorSystem.Create("journal", Setup(journal, settings));
        Props props = JournalActor.Props(journal, plan, replayed ?? (_ => { }));
        parent = system.ActorOf(Parent(props, probe));
    }

    /// <summary>Of an actor system on one machine.</summary>
    public static ActorSystemSetup Setup(RunJournal journal, string settings = "") =>
        BootstrapSetup.Create().WithConfig(ConfigurationFactory
            .ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = local }\n" + settings)
            .WithFallback(ActorsHocon.Reference)
            .WithFallback(SqlPersistence.DefaultConfiguration))
        .And(JournalSetup.Of(journal));

    /// <summary>Of an actor that has the journal's as its child.</summary>
    public static Props Parent(Props journal, IActorRef probe) => Props.Create(() => new ParentActor(journal, probe));

    public void Tell(object message) => parent.Tell(message);

    public void Dispose() => system.Terminate().GetAwaiter().GetResult();

    /// <summary>What the supervisor would see: the failure as it reached the parent, then the stop.</summary>
    internal sealed record ChildFailed(Exception Cause);

    internal sealed record ChildStopped;

    private sealed class ParentActor : UntypedActor
    {
        private readonly IActorRef child;
        private readonly IActorRef probe;

        public ParentActor(Props journal, IActorRef probe)
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
