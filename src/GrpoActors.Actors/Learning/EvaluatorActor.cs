using Akka.Actor;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Actors.Learning;

/// <summary>Answers the held-out problems greedily with one version and judges the answers by the plan's reward, on a thread of its own.</summary>
internal sealed class EvaluatorActor : EngineActor
{
    private readonly ISampler sampler;
    private Command.EvaluationDone? last;

    public EvaluatorActor(WorkerServices services, string name)
        : base(services, name)
    {
        sampler = services.Setup.Engine.OpenSampler();
        Receive<Effect.Evaluate>(x => Evaluate(x.Version));
    }

    protected override void PreStart()
    {
        base.PreStart();
        Context.Parent.Tell(new Ready());
    }

    protected override void PostStop()
    {
        sampler.Dispose();
        base.PostStop();
    }

    private void Evaluate(PolicyVersion version)
    {
        if (last?.Version != version && Services.Weights.Hold(version, Services.Stopping).GetAwaiter().GetResult() is { } policy)
        {
            try
            {
                last = new Command.EvaluationDone(version, HeldOut.Evaluate(Services.Setup, sampler, policy, Services.Setup.Plan.Identity.Evaluation!, Services.Time, Services.Stopping));
            }
            finally
            {
                Services.Weights.Release(policy);
                sampler.Unload(); // evaluations are rare
            }
        }

        if (last?.Version == version)
        {
            Post(last); // asked twice, it is judged once
        }
    }

    /// <summary>It evaluates whatever comes next; what the one before broke off is to be said again.</summary>
    internal sealed record Ready;
}
