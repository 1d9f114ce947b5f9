using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Core;
using GrpoActors.Core.Completions;

namespace GrpoActors.Actors.Tests;

/// <summary>An actor system with the dispatchers of a run, where the test is the parent of the actor that it examines.</summary>
public abstract class ActorSpec : TestKit
{
    /// <summary>For what takes a moment on an idle machine.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    protected ActorSpec()
        : base(ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, test.single-expect-default = 120s }").WithFallback(ActorsHocon.Reference))
    {
    }

    private protected Messages Logged { get; } = new();

    /// <summary>Its parent is the test, which stops it when it fails.</summary>
    protected IActorRef Examined(Func<ActorBase> make) => ChildActorOf(Props.CreateBy(new ActorMaker(make)), SupervisorStrategy.StoppingStrategy);

    private protected static WorkerIdentity Named(string name) => new(name, Digest.Of("plan"), "1");

    protected static GroupId Group(long ordinal) => new(1, GroupStream.Primary, ordinal);

    private protected static Ticket Ticket(long ordinal, long version = 0) => new(Group(ordinal), ordinal, [0, 1], new PolicyVersion(version));

    /// <summary>A version that another node serves.</summary>
    private protected static WeightsRef Served(long version) => new(
        new PolicyVersion(version), new ServedWeights(Digest.Of($"policy {version}"), new ContentRef(new Uri("http://127.0.0.1:1/weights"), Digest.Of($"bytes {version}"), 10)));

    /// <summary>The next message of this kind; others that come before it are passed over.</summary>
    protected static T Next<T>(TestKitBase of) => (T)of.FishForMessage(message => message is T, Patience);

    /// <summary>The next message of this kind to the parent of the actor that is examined.</summary>
    protected T Next<T>() => Next<T>(this);
}
