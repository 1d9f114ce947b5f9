using Akka.Actor;

namespace GrpoActors.Actors.Supervision;

/// <summary>Makes an actor anew by a closure, which an expression tree of <see cref="Props"/> cannot hold.</summary>
internal sealed class ActorMaker(Func<ActorBase> make) : IIndirectActorProducer
{
    public Type ActorType => typeof(ActorBase);

    public ActorBase Produce() => make();

    public void Release(ActorBase actor)
    {
        // nothing is held
    }
}
