using GrpoActors.Actors;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Reports;
using Microsoft.Extensions.Logging;

namespace GrpoActors.EndToEnd;

/// <summary>The lines that the README shows for use as a library: what stands there is what is compiled here.</summary>
internal static class LibrarySnippet
{
    // snippet:library
    public static async Task Train(string runFile, ILogger logger, CancellationToken stop)
    {
        var brief = new DelegateReward("brief", revision: 1, x => x.Tokens <= 12 ? 1 : 0);
        using GrpoRun run = GrpoRun.Open(runFile, new GrpoRunSettings
        {
            Rewards = RewardRegistry.BuiltIn.With(brief),
            Overrides = [("rewards", """[{ "name": "answer", "kind": "exact_answer" }, { "kind": "brief", "weight": 0.1 }]""")],
            Logger = logger,
        });
        await foreach (StepReport step in run.TrainAsync(stop))
        {
            Console.WriteLine($"{step.Phase} {step.Step}/{step.Steps} reward {step.Reward:0.00}");
        }

        Console.WriteLine($"held-out accuracy {run.Result!.AccuracyBefore:P0}, then {run.Result.AccuracyAfter:P0}");
    }
    // end of snippet
}
