using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Runtime.Evaluations;

/// <summary>What several answers to each of many problems say about a policy.</summary>
public static class AnswerStatistics
{
    /// <summary>
    /// Chance that at least one of k answers is right, from n of which c are: <c>1 - C(n - c, k) / C(n, k)</c>, without bias.
    /// </summary>
    /// <param name="samples">n >= 1.</param>
    /// <param name="right">c in [0, n].</param>
    /// <param name="k">In [1, n].</param>
    /// <remarks>As a product, so that nothing overflows. Source: Chen et al., arXiv:2107.03374, section 2.1.</remarks>
    public static double PassAtK(int samples, int right, int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)right, (uint)samples, nameof(right));
        if (k < 1 || k > samples)
        {
            throw new ArgumentOutOfRangeException(nameof(k), k, $"Expected 1 to {samples}.");
        }

        if (samples - right < k)
        {
            return 1;
        }

        double none = 1;
        for (int i = samples - right + 1; i <= samples; i++)
        {
            none *= 1 - ((double)k / i);
        }

        return 1 - none;
    }

    /// <summary>
    /// Index of the first answer of the largest class of equal ones; of several such classes, the one that appears first. Answers are equal
    /// as mathematics (<see cref="AnswerEquality"/> of what each ends with), or as texts.
    /// </summary>
    public static int Majority(IReadOnlyList<string> answers)
    {
        var classes = new List<(int First, int Count)>();
        for (int i = 0; i < answers.Count; i++)
        {
            int same = classes.FindIndex(known => answers[known.First] == answers[i] || AnswerEquality.Equal(answers[known.First], answers[i]));
            if (same < 0)
            {
                classes.Add((i, 1));
            }
            else
            {
                classes[same] = (classes[same].First, classes[same].Count + 1);
            }
        }

        return classes.Count == 0 ? throw new ArgumentException("Expected at least one answer.", nameof(answers)) : classes.MaxBy(known => known.Count).First;
    }
}
