using System.Diagnostics;
using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>A text without spaces may be one single word to merge: the time of its encoding must not grow with the square of its length.</summary>
public class GrowthTests
{
    private const int Length = 100_000, Parts = 16, AttemptsMin = 3, AttemptsMax = 30;

    /// <summary>
    /// Sixteen texts of 6 kB take as long as one of 100 kB where time grows with the length, and a sixteenth where it grows with the square; n log n and the caches
    /// leave ample room below eight. Both sides do equal work, so that other programs disturb them alike.
    /// </summary>
    private const double Limit = 8;

    private static readonly string[] Units = ["x", " ", "!?", " \n", "7", "中", "한국", "😀", "a\u0301\u0323", "\u0301", "▁"];

    [Fact]
    public void SmolLM2_takes_no_quadratic_time() => GrowsNoFasterThanTheText("smollm2");

    [PublishedFact("qwen3")]
    public void Qwen3_takes_no_quadratic_time() => GrowsNoFasterThanTheText("qwen3");

    [PublishedFact("llama3")]
    public void Llama3_takes_no_quadratic_time() => GrowsNoFasterThanTheText("llama3");

    [PublishedFact("deepseek_v3")]
    public void DeepSeekV3_takes_no_quadratic_time() => GrowsNoFasterThanTheText("deepseek_v3");

    [PublishedFact("gemma3")]
    public void Gemma3_takes_no_quadratic_time() => GrowsNoFasterThanTheText("gemma3");

    private static void GrowsNoFasterThanTheText(string name)
    {
        var tokenizer = PublishedTokenizers.Load(name);
        var letters = new Random(7);
        string mixed = string.Concat(Enumerable.Range(0, Length).Select(_ => (char)letters.Next('a', 'z' + 1)));
        foreach (string whole in Units.Select(unit => string.Concat(Enumerable.Repeat(unit, Length / unit.Length))).Append(mixed))
        {
            string part = whole[..(Length / Parts / 12 * 12)]; // ends where a unit ends: all have 1, 2, 3 or 4 characters
            double parts = double.PositiveInfinity, atOnce = double.PositiveInfinity;
            for (int attempt = 0; attempt < AttemptsMin || (attempt < AttemptsMax && atOnce > Limit * parts); attempt++)
            {
                parts = Math.Min(parts, Seconds(() =>
                {
                    for (int i = 0; i < Parts; i++)
                    {
                        tokenizer.Encode(part);
                    }
                }));
                atOnce = Math.Min(atOnce, Seconds(() => tokenizer.Encode(whole)));
            }

            Assert.True(atOnce <= Limit * parts, $"{name}: {Length} of '{whole[..4]}...' take {atOnce / parts:0.0} times as long as {Parts} parts of them.");
        }
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
