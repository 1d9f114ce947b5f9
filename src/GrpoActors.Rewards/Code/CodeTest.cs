using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Rewards.Code;

/// <summary>A test that a row brings for the code of its completions.</summary>
internal abstract record CodeTest
{
    private CodeTest()
    {
    }

    /// <summary>The program gets <paramref name="Input"/> and has to print <paramref name="Output"/>; white space at the ends of lines does not count. The output stays outside the sandbox.</summary>
    public sealed record Printed(string Input, string Output) : CodeTest;

    /// <summary>A line of the program's own language, which follows the code and must be passed.</summary>
    public sealed record Asserted(string Line) : CodeTest;

    /// <summary>A file that is put beside the code and run instead of it; it must come to its end.</summary>
    public sealed record Hidden(string File, string Content) : CodeTest;

    /// <summary>
    /// A list of {"input", "output"}, {"assert"}, {"file", "content"} or of texts, which are assertions (MBPP); or {"inputs": [...], "outputs": [...]} (APPS, TACO). Also as JSON in a text.
    /// </summary>
    /// <exception cref="FormatException">It is none of them; a clause.</exception>
    public static ImmutableArray<CodeTest> Read(JsonElement column)
    {
        if (column.ValueKind == JsonValueKind.String)
        {
            try
            {
                using JsonDocument inside = JsonDocument.Parse(column.GetString()!);
                return Read(inside.RootElement.Clone());
            }
            catch (JsonException broken)
            {
                throw new FormatException("its row's tests are a text that is no JSON", broken);
            }
        }

        ImmutableArray<CodeTest> tests = column.ValueKind switch
        {
            JsonValueKind.Array => [.. column.EnumerateArray().Select(One)],
            JsonValueKind.Object when column.TryGetProperty("inputs", out JsonElement inputs) && column.TryGetProperty("outputs", out JsonElement outputs)
                && inputs.ValueKind == JsonValueKind.Array && outputs.ValueKind == JsonValueKind.Array && inputs.GetArrayLength() == outputs.GetArrayLength()
                => [.. inputs.EnumerateArray().Zip(outputs.EnumerateArray(), (input, output) => (CodeTest)new Printed(Text(input), Text(output)))],
            _ => throw new FormatException("its row's tests are neither a list nor inputs and outputs of one length"),
        };
        return tests.IsEmpty ? throw new FormatException("its row's list of tests is empty") : tests;
    }

    private static CodeTest One(JsonElement test)
    {
        if (test.ValueKind == JsonValueKind.String)
        {
            return new Asserted(test.GetString()!);
        }

        if (test.ValueKind == JsonValueKind.Object)
        {
            if (test.TryGetProperty("output", out JsonElement output))
            {
                return new Printed(test.TryGetProperty("input", out JsonElement input) ? Text(input) : "", Text(output));
            }

            if (test.TryGetProperty("assert", out JsonElement line))
            {
                return new Asserted(Text(line));
            }

            if (test.TryGetProperty("file", out JsonElement file) && test.TryGetProperty("content", out JsonElement content) && IsName(Text(file)))
            {
                return new Hidden(Text(file), Text(content));
            }
        }

        throw new FormatException($"its row has a test that is neither input and output, nor assert, nor file (a name without folder) and content: {Shortened(test.GetRawText())}");
    }

    internal static bool IsName(string name) => name.Length > 0 && name != "--" && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') && name[0] is not ('.' or '-');

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();

    private static string Shortened(string text) => text.Length <= 100 ? text : text[..100] + "...";
}
