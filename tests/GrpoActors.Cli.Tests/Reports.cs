using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Cli.Tests;

internal static class Reports
{
    public static StepReport Sft(int step) => new(
        "sft", PhaseKind.Sft, step, 700, step, 1000, [new("loss", 1.23456), new("grad_norm", 0.5), new("learning_rate", 1e-3)], 2000, TimeSpan.FromSeconds(0.5), null, [], []);

    public static StepReport Grpo(int step, Evaluation? evaluation = null, params SampleReport[] samples) => new(
        "grpo", PhaseKind.Grpo, step, 300, 700 + step, 1000,
        [
            new("reward", 0.7123), new("reward_std", 0.31), new("frac_reward_zero_std", 0.125), new("kl", 0.00123), new("entropy", 0.4512),
            new("completions/mean_length", 11.25), new("lag", 0),
        ],
        2880, TimeSpan.FromSeconds(0.4), evaluation, [.. samples], []);

    public static SampleReport Sample(string completion = "<think>86</think><answer>68</answer>") =>
        new("23+45=", completion, [new("answer", 1), new("format", null)], 1, 0.53);

    public static RunResult Result(RunEnd? end = RunEnd.Completed) => new(
        "runs/arithmetic", end, 300, 142.34, 0.553, 0.91, 0.61, 1.02, 812345, 810000, 0, true, 512, true, Digest.Of("w"), Digest.Of("o"), Digest.Of("l"), []);

    public static async IAsyncEnumerable<StepReport> Stream(params StepReport[] reports)
    {
        await Task.CompletedTask;
        foreach (StepReport report in reports)
        {
            yield return report;
        }
    }
}
