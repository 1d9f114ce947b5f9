using System.Threading.Channels;
using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Workers;

/// <summary>Answers the held-out problems greedily with one version and judges the answers by the plan's reward.</summary>
internal sealed class Evaluator(RunSetup setup, WeightStore weights, TimeProvider time, Action<Command> post)
{
    private readonly Channel<PolicyVersion> mailbox = Channel.CreateUnbounded<PolicyVersion>();
    private PolicyVersion? inHand;
    private Command.EvaluationDone? last;

    public void Send(PolicyVersion version) => mailbox.Writer.TryWrite(version);

    public void Work(CancellationToken stop)
    {
        using ISampler sampler = setup.Engine.OpenSampler();
        while (true)
        {
            PolicyVersion version = inHand ??= mailbox.Reader.ReadAsync(stop).AsTask().GetAwaiter().GetResult(); // after a crash: the one that it broke off
            if (last?.Version != version && weights.Hold(version, stop).GetAwaiter().GetResult() is { } policy)
            {
                try
                {
                    last = new Command.EvaluationDone(version, HeldOut.Evaluate(setup, sampler, policy, setup.Plan.Identity.Evaluation!, time, stop));
                }
                finally
                {
                    weights.Release(policy);
                    sampler.Unload(); // evaluations are rare
                }
            }

            if (last?.Version == version)
            {
                post(last); // asked twice, it is judged once
            }

            inHand = null;
        }
    }
}
