using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace GrpoActors.Text.Tests;

public class MergingTests
{
    /// <summary>The definition itself: look for the pair of lowest rank, leftmost; merge; again.</summary>
    private static List<string> Plainly(string word, IReadOnlyList<(string Left, string Right)> merges)
    {
        var symbols = word.Select(c => c.ToString()).ToList();
        while (true)
        {
            int best = -1, bestRank = int.MaxValue;
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                for (int rank = 0; rank < merges.Count && rank < bestRank; rank++)
                {
                    if (merges[rank] == (symbols[i], symbols[i + 1]))
                    {
                        (best, bestRank) = (i, rank);
                    }
                }
            }

            if (best < 0)
            {
                return symbols;
            }

            symbols[best] += symbols[best + 1];
            symbols.RemoveAt(best + 1);
        }
    }

    [Fact]
    public void Short_and_long_words_merge_as_the_definition_says()
    {
        var grammar = from count in Gen.Choose(0, 12) from picks in Gen.Choose(0, 999).ListOf(2 * count) select Merges([.. picks]);
        var words = from length in Gen.Choose(1, 120) from units in Gen.Elements('a', 'b', 'c', '▁').ListOf(length) select string.Concat(units);
        Check.One(Cases.Of(300), Prop.ForAll(grammar.ToArbitrary(), words.ToArbitrary(), (merges, word) =>
        {
            var tokenizer = Tokenizer(merges);
            return tokenizer.Encode(word).Select(id => tokenizer.Token(id)!).SequenceEqual(Plainly(word, merges));
        }));
    }

    // Each merge joins two tokens that are there by then, so that the table is one a trainer could have made.
    private static List<(string Left, string Right)> Merges(int[] picks)
    {
        List<string> tokens = ["a", "b", "c", "▁"];
        var merges = new List<(string, string)>();
        for (int i = 0; i + 1 < picks.Length; i += 2)
        {
            var pair = (tokens[picks[i] % tokens.Count], tokens[picks[i + 1] % tokens.Count]);
            if (!merges.Contains(pair))
            {
                merges.Add(pair);
                tokens.Add(pair.Item1 + pair.Item2);
            }
        }

        return merges;
    }

    private static ITokenizer Tokenizer(List<(string Left, string Right)> merges)
    {
        var tokens = new[] { "a", "b", "c", "▁" }.Concat(merges.Select(merge => merge.Left + merge.Right)).Distinct().ToArray();
        string vocab = string.Join(",", tokens.Select((token, id) => $"\"{token}\":{id}"));
        string pairs = string.Join(",", merges.Select(merge => $"[\"{merge.Left}\",\"{merge.Right}\"]"));
        return Tokenizers.Parse(Encoding.UTF8.GetBytes($$$"""{"decoder":{"type":"Fuse"},"model":{"type":"BPE","byte_fallback":true,"vocab":{{{{vocab}}}},"merges":[{{{pairs}}}]}}"""));
    }
}
