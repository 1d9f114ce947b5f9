using System.Text;
using GrpoActors.Core.Prompts;

namespace GrpoActors.Formats.Tests.Recipes;

/// <summary>Makes the data of <c>recipes/arithmetic</c>; the same bytes everywhere.</summary>
internal static class ArithmeticProblems
{
    public const int HeldOutCount = 400;

    private const ulong Key = 20_260_101;

    internal readonly record struct Problem(int A, char Sign, int B)
    {
        public string Prompt => $"{A}{Sign}{B}=";

        public string Answer => (Sign == '+' ? A + B : A - B).ToString();

        /// <summary>The last digit first: each digit then needs only its column and a carry.</summary>
        private string Thought => $"<think>{new string([.. Answer.Reverse()])}</think>";

        public string Tagged => $"{Thought}<answer>{Answer}</answer>";

        public string Untagged => $"{Thought}{Answer}";

        /// <summary>45+23 tells what 23+45 is.</summary>
        public Problem Twin => Sign == '+' ? this with { A = B, B = A } : this;
    }

    /// <summary>All sums, and all differences from 0 up, of two numbers from 10 to 99: 8,100 and 4,095.</summary>
    public static List<Problem> All() =>
    [
        .. from a in Enumerable.Range(10, 90) from b in Enumerable.Range(10, 90) select new Problem(a, '+', b),
        .. from a in Enumerable.Range(10, 90) from b in Enumerable.Range(10, a - 9) select new Problem(a, '-', b),
    ];

    public static List<Problem> HeldOut()
    {
        List<Problem> all = All();
        return [.. Enumerable.Range(0, HeldOutCount).Select(i => (int)KeyedPermutation.At(Key, 0, 0, all.Count, i)).Order().Select(i => all[i])];
    }

    public static List<Problem> Training()
    {
        HashSet<Problem> heldOut = [.. HeldOut().SelectMany(problem => new[] { problem, problem.Twin })];
        return [.. All().Where(problem => !heldOut.Contains(problem))];
    }

    /// <summary>Differences are written with tags; of the sums only every tenth row: the rest of that habit is left to the rewards.</summary>
    public static string Worked(Problem problem, int row) => problem.Sign == '-' || row % 10 == 0 ? problem.Tagged : problem.Untagged;

    public static IEnumerable<(string File, byte[] Bytes)> Files()
    {
        yield return ("worked.jsonl", Lines(Training().Select((problem, row) => $$"""{"prompt":"{{problem.Prompt}}","completion":"{{Worked(problem, row)}}"}""")));
        yield return ("prompts.jsonl", Lines(Training().Select(Asked)));
        yield return ("heldout.jsonl", Lines(HeldOut().Select(Asked)));
    }

    private static string Asked(Problem problem) => $$"""{"prompt":"{{problem.Prompt}}","answer":"{{problem.Answer}}"}""";

    private static byte[] Lines(IEnumerable<string> lines) => Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => line + "\n")));
}
