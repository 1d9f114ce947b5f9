namespace GrpoActors.Actors.Supervision;

/// <summary>To the run's actor: a worker of this process has failed beyond its restart budget, or in a way that no restart mends.</summary>
internal sealed record WorkerGaveUp(FailureResponse Response, Exception Failure);
