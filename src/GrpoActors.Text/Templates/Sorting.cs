namespace GrpoActors.Text.Templates;

internal static class Sorting
{
    /// <summary>A stable merge sort that asks only <c>&lt;</c>, as Python's does, and whose comparisons are charged and may fail.</summary>
    public static List<T> Sorted<T>(Execution x, IReadOnlyList<T> items, Func<T, Value> keyOf, bool descending)
    {
        var keyed = items.Select(i => (Key: keyOf(i), Item: i)).ToArray();
        var spare = new (Value Key, T Item)[keyed.Length];
        for (int width = 1; width < keyed.Length; width *= 2)
        {
            for (int start = 0; start < keyed.Length; start += 2 * width)
            {
                Merge(start, Math.Min(start + width, keyed.Length), Math.Min(start + 2 * width, keyed.Length));
            }
            (keyed, spare) = (spare, keyed);
        }
        return [.. keyed.Select(k => k.Item)];

        void Merge(int start, int middle, int end)
        {
            int left = start, right = middle;
            for (int to = start; to < end; to++)
            {
                bool takesRight = left == middle || (right < end && Before(keyed[right].Key, keyed[left].Key));
                spare[to] = takesRight ? keyed[right++] : keyed[left++];
            }
        }

        bool Before(Value a, Value b)
        {
            x.Step();
            return descending ? Operators.Ordered(x, "<", b, a) : Operators.Ordered(x, "<", a, b);
        }
    }
}
