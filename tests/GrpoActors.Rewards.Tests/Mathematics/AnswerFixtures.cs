using System.Text.Json;

namespace GrpoActors.Rewards.Tests.Mathematics;

/// <summary>Pairs of a reference and an answer with the verdict that is right; their origin: <c>Fixtures/README.md</c>.</summary>
internal static class AnswerFixtures
{
    public readonly record struct Pair(string Gold, string Answer, bool Expected)
    {
        public override string ToString() => $"{(Expected ? '=' : '!')} {Gold} ||| {Answer}".Replace("\n", "⏎");
    }

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Fixtures", "answers");

    public static string[] Kinds => [.. Directory.GetFiles(Folder, "*.jsonl")
        .Select(static file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];

    public static List<Pair> Reported(string kind)
    {
        var pairs = new List<Pair>();
        foreach (string line in File.ReadLines(Path.Combine(Folder, kind + ".jsonl")).Where(static line => line.Length > 0))
        {
            using var row = JsonDocument.Parse(line);
            pairs.Add(new(row.RootElement.GetProperty("gold").GetString()!, row.RootElement.GetProperty("answer").GetString()!,
                row.RootElement.GetProperty("expect").GetBoolean()));
        }

        return pairs;
    }

    public static List<Pair> Own => [.. File.ReadLines(Path.Combine(Folder, "pairs.txt"))
        .Where(static line => line.StartsWith("= ") || line.StartsWith("! ")).Select(static line =>
    {
        string[] sides = line[2..].Replace("⏎", "\n").Split(" ||| ");
        return new Pair(sides[0], sides[1], line[0] == '=');
    })];

    public static string[] Gsm8k => File.ReadAllLines(Path.Combine(Folder, "gsm8k.txt"));
}
