using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Supervision;

namespace GrpoActors.Actors.Workers;

/// <summary>A worker that is the child of a stage.</summary>
/// <param name="Make">Given the actor that it asks for work: the stage.</param>
internal sealed record LocalWorker(string Name, Func<IActorRef, ActorBase> Make)
{
    public static void StartAll(ImmutableArray<LocalWorker> workers, IActorContext context, IActorRef stage)
    {
        foreach (LocalWorker worker in workers)
        {
            context.ActorOf(Props.CreateBy(new ActorMaker(() => worker.Make(stage))), worker.Name);
        }
    }
}

/// <summary>A worker's own actor failed, which its engine's failures never make it do: the run begins again from its journal.</summary>
internal sealed class WorkerActorFailedException(ChildFailed failed) : Exception($"{failed.Child.Path.Name} failed: {failed.Failure.Message}", failed.Failure);
