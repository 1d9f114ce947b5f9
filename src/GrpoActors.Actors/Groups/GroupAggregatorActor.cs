using GrpoActors.Actors.Protocol;
using Akka.Actor;

namespace GrpoActors.Actors.Groups;

/// <summary>Makes a step's batch of its closed groups, with their advantages, and passes it on to the learner.</summary>
internal sealed class GroupAggregatorActor : ReceiveActor
{
    public GroupAggregatorActor(IActorRef learner) => Receive<LearnerEffect>(learner.Tell);
}
