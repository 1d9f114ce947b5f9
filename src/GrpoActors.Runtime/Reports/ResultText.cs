using System.Globalization;
using System.Text.Json.Nodes;
using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Reports;

/// <summary>A run's result, for people and for scripts.</summary>
public static class ResultText
{
    /// <summary>The one JSON object that <c>grpo train --json</c> ends with on stdout.</summary>
    public static string Json(RunResult result) => new JsonObject
    {
        ["run"] = result.Run,
        ["steps"] = result.Steps,
        ["seconds"] = result.Seconds,
        ["accuracyBefore"] = result.AccuracyBefore,
        ["accuracyAfter"] = result.AccuracyAfter,
        ["rewardFirst"] = result.RewardFirst,
        ["rewardLast"] = result.RewardLast,
        ["tokensSampled"] = result.TokensSampled,
        ["tokensTrained"] = result.TokensTrained,
        ["outcomesByTiming"] = result.OutcomesByTiming,
        ["rewards"] = new JsonObject(result.Rewards.Select(reward => KeyValuePair.Create<string, JsonNode?>(reward.Name, Json(reward.Tally)))),
        ["exact"] = result.Exact,
        ["exactOn"] = result.ExactOn,
        ["vectorBits"] = result.VectorBits,
        ["fma"] = result.Fma,
        ["weightsSha256"] = result.WeightsSha256.ToString(),
        ["optimizerSha256"] = result.OptimizerSha256.ToString(),
        ["ledgerSha256"] = result.LedgerSha256.ToString(),
    }.ToJsonString();

    private static JsonObject Json(RewardTally tally)
    {
        var json = new JsonObject { ["scored"] = tally.Scored, ["abstained"] = tally.Abstained, ["failed"] = tally.Failed };
        if (tally.First is { } first)
        {
            json["firstFailure"] = new JsonObject { ["row"] = first.Row + 1, ["reason"] = first.Reason };
        }

        return json;
    }

    public static IEnumerable<string> Lines(RunResult result)
    {
        yield return Line("run", $"{result.Run} ({(result.End is { } end ? Words(end, result.Reason) : "stopped on the way; the same command goes on")})");
        if (result.AccuracyBefore is { } before)
        {
            yield return Line("accuracy", $"{StepLine.Percent(before)} before, {(result.AccuracyAfter is { } after ? StepLine.Percent(after) : "not yet known")} after, on held-out problems");
        }

        if (result.RewardFirst is { } first && result.RewardLast is { } last)
        {
            yield return Line("reward", $"{first.ToString("0.000", CultureInfo.InvariantCulture)} in the first ten steps, {last.ToString("0.000", CultureInfo.InvariantCulture)} in the last ten");
        }

        foreach ((string name, RewardTally tally) in result.Rewards)
        {
            if (tally.First is { } cause)
            {
                yield return Line("failed", $"{name}: {Count(tally.Failed)} of {Count(tally.Outcomes)}, first {cause}");
            }
            else if (tally is { Scored: 0, Abstained: > 0 })
            {
                yield return Line("abstained", $"{name}: always ({Count(tally.Abstained)} completions): no row has what it needs");
            }
        }

        yield return Line("steps", $"{Count(result.Steps)} of grpo; this process took {result.Seconds.ToString("0.0", CultureInfo.InvariantCulture)} s");
        yield return Line("tokens", $"{Count(result.TokensSampled)} sampled, {Count(result.TokensTrained)} trained");
        string on = result.ExactOn ?? $"{result.VectorBits}-bit vectors, {(result.Fma ? "with" : "without")} fused multiply-add";
        string exact = !result.Exact ? "no" : result.ExactOn is null ? "yes" : "same device";
        yield return Line("exact", $"{exact} ({on}; {Count(result.OutcomesByTiming)} outcomes by timing)");
        yield return Line("weights", result.WeightsSha256.ToString());
        yield return Line("optimizer", result.OptimizerSha256.ToString());
        yield return Line("ledger", result.LedgerSha256.ToString());
    }

    private static string Line(string name, string value) => $"{name,-10} {value}";

    private static string Count(long count) => count.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>How a run ended, in words.</summary>
    /// <param name="reason">What a sentinel saw.</param>
    public static string Words(RunEnd end, string? reason) => end switch
    {
        RunEnd.Completed => "complete",
        RunEnd.TooManyEmptySteps => "ended: too many steps in a row that taught nothing (empty_steps_max): no trainable token, or all advantages 0",
        RunEnd.RefillExhausted => "ended: so many groups were dropped that a step could not be filled within refill and max_num_gen_batches",
        RunEnd.SentinelTripped => $"ended by a sentinel: {reason ?? "what it saw was not recorded"}",
        _ => $"ended: too many rollbacks, the last one because {reason ?? "of what was not recorded"}",
    };
}
