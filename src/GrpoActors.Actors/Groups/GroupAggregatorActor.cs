using GrpoActors.Actors.Protocol;
using Akka.Actor;

namespace GrpoActors.Actors.Groups;

/// <summary>Passes a step's batch, the closed groups with their advantages (<see cref="Core.Groups.BatchOf"/>), on to the learner.</summary>
internal sealed class GroupAggregatorActor : ReceiveActor
{
    public GroupAggregatorActor(IActorRef learner) => Receive<LearnerEffect>(learner.Tell);
}
