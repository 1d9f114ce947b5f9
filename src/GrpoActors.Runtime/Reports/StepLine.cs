using System.Globalization;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Reports;

/// <summary>A step in one line; columns keep their places through a phase.</summary>
public static class StepLine
{
    /// <summary>sft: loss, gradient norm, learning rate. grpo: reward ± spread, share of groups without spread, KL, entropy, mean length, lag, rewards that failed or abstained throughout. Both: tokens/s, time to the phase's end.</summary>
    public static string Of(StepReport report, RecentPace pace)
    {
        string steps = report.Steps.ToString(CultureInfo.InvariantCulture);
        string[] parts =
        [
            $"{report.Phase} {report.Step.ToString(CultureInfo.InvariantCulture).PadLeft(steps.Length)}/{steps}",
            .. report.Kind == PhaseKind.Sft ? Supervised(report) : Reinforced(report),
            $"{pace.TokensPerSecond.ToString("#,0", CultureInfo.InvariantCulture),7} tok/s",
            $"eta {Time(pace.Remaining(report))}{(report.RunSteps - report.RunStep > report.Steps - report.Step ? " +" : "")}",
        ];
        return string.Join("  ", parts);
    }

    private static IEnumerable<string> Supervised(StepReport report) =>
        [$"loss {Number(report.Loss, "0.0000")}", $"grad {Number(report.GradNorm, "0.000")}", $"lr {Number(report.LearningRate, "0.00e-0")}"];

    private static IEnumerable<string> Reinforced(StepReport report) =>
    [
        $"reward {Number(report.Reward, "0.000")} ± {Number(report.RewardSpread, "0.000")}",
        $"no spread {Number(report.ZeroSpreadShare * 100, "0"),3}%",
        $"kl {Number(report.Kl, "0.0000")}",
        $"entropy {Number(report.Entropy, "0.000")}",
        $"length {Number(report.MeanLength, "0.0")}",
        $"lag {Number(report.Lag, "0")}",
        .. report.Rewards.Where(reward => reward.Tally.Failed > 0).Select(reward => $"{reward.Name} failed {reward.Tally.Failed}/{reward.Tally.Outcomes}"),
        .. report.Rewards.Where(reward => reward.Tally is { Scored: 0, Failed: 0, Abstained: > 0 }).Select(reward => $"{reward.Name} abstained"),
    ];

    public static string Evaluation(StepReport report) => $"held-out accuracy before {report.Phase} step {report.Step}: {Evaluation(report.Evaluation!)}";

    public static string Evaluation(Evaluation evaluation) =>
        $"{Percent(evaluation.Accuracy)} ({evaluation.Correct} of {evaluation.Problems})";

    /// <summary>What was asked, what came, what it earned.</summary>
    public static string Sample(SampleReport sample)
    {
        string rewards = string.Join(", ", sample.Rewards.Select(reward => $"{reward.Name} {Number(reward.Value, "0.##")}"));
        string advantage = sample.Advantage.ToString("+0.000;-0.000;0.000", CultureInfo.InvariantCulture);
        return $"  {OneLine(sample.Prompt)} {OneLine(sample.Completion)}  reward {Number(sample.Reward, "0.###")} ({rewards})  advantage {advantage}";
    }

    public static string Percent(double share) => (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + "%";

    public static string Time(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}" : $"{time.Minutes}:{time.Seconds:00}";

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    // Control characters of a sampled text must not reach the terminal.
    private static string OneLine(string text)
    {
        const int charactersMax = 200;
        string line = string.Concat(text.Select(c => c == '\n' ? "⏎" : char.IsControl(c) ? "·" : c.ToString()));
        return line.Length <= charactersMax ? line : line[..charactersMax] + "…";
    }
}
