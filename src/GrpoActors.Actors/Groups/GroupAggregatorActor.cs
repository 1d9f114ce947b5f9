using Akka.Actor;
using GrpoActors.Actors.Protocol;

namespace GrpoActors.Actors.Groups;

/// <summary>Passes a step's batch, the closed groups with their advantages (<see cref="Core.Groups.BatchOf"/>), on to the learner.</summary>
internal sealed class GroupAggregatorActor : ReceiveActor
{
    public GroupAggregatorActor(IActorRef learner) => Receive<LearnerEffect>(learner.Tell);
}
