using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests.Processes;

/// <summary>Judges a version on the held-out problems, if its weights can be had.</summary>
internal sealed class Evaluator(SimulatedRun simulation) : Process(simulation, "evaluator")
{
    public void Receive(PolicyVersion version) => After(TimeSpan.FromSeconds(1), () =>
    {
        if (Simulation.Strikes(FaultKind.KillEvaluator, out _))
        {
            Restart(TimeSpan.FromSeconds(1 + Simulation.Random.Next(5)));
        }
        else if (Simulation.WeightsOf(version) is { } weights)
        {
            Simulation.Post(this, new Command.EvaluationDone(version, Truth.Evaluate(FakeTrainer.ContentOf(weights.Tensors))));
        }
    });

    protected override void Begin()
    {
    }
}
