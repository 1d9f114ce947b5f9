namespace GrpoActors.Core.Plans;

/// <summary>"Did you mean": the known name at the smallest edit distance.</summary>
public static class NearestName
{
    /// <summary>Null if nothing is near: more than a third of the letters, and more than one, would have to change.</summary>
    public static string? Of(string name, IEnumerable<string> known)
    {
        string? nearest = null;
        int best = Math.Max(1, (name.Length + 1) / 3) + 1;
        foreach (string candidate in known)
        {
            int distance = Distance(name, candidate);
            if (distance < best)
            {
                (nearest, best) = (candidate, distance);
            }
        }

        return nearest;
    }

    /// <summary>Insertions, deletions, substitutions and swaps of neighbours that turn one into the other (optimal string alignment).</summary>
    internal static int Distance(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                d[i, j] = i == 0 || j == 0 ? i + j : Step(a, b, i, j, d);
            }
        }

        return d[a.Length, b.Length];
    }

    private static int Step(string a, string b, int i, int j, int[,] d)
    {
        int cost = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
        int least = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + cost);
        bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
        return swapped ? Math.Min(least, d[i - 2, j - 2] + 1) : least;
    }
}
