using System.CommandLine;
using System.Text.Json;
using GrpoActors.Cli.Models;
using GrpoActors.Rewards.Mathematics;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo answer</c>.</summary>
internal static class AnswerCommand
{
    private const string Description = """
        Says whether number_answer holds a text's answer right, how it read both sides, and why.

        Exits with 1 where they are not equal. The rules: src/GrpoActors.Rewards/Mathematics/README.md.

        Example:
          grpo answer '\frac{1}{2}' 'So it is \boxed{0.5}.'
        """;

    public static Command Build()
    {
        var command = new Command("answer", Description.ReplaceLineEndings("\n"));
        var gold = new Argument<string>("GOLD")
        {
            Description = "A row's answer: bare, or a solution that ends with #### 42 or \\boxed{42}. One that begins with a minus sign stands behind --.",
        };
        var text = new Argument<string>("TEXT") { Description = "What a model wrote; - reads stdin." };
        var strict = new Option<bool>("--strict") { Description = "The form counts too: 0.5 is not \\frac{1}{2}." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        command.Add(gold);
        command.Add(text);
        command.Add(strict);
        command.Add(json);
        command.SetAction(parsed =>
        {
            string completion = parsed.GetRequiredValue(text) is var given && given == RowFile.StandardInput ? Console.In.ReadToEnd() : given;
            AnswerStrictness strictness = parsed.GetValue(strict) ? AnswerStrictness.Strict : AnswerStrictness.Value;
            AnswerExplanation explanation = AnswerEquality.Explain(parsed.GetRequiredValue(gold), completion, strictness);
            TextWriter to = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                RowFile.Write(to, writer => Write(writer, explanation));
            }
            else
            {
                to.WriteLine(explanation);
            }

            return explanation.Equal ? ExitCodes.Done : ExitCodes.Failure;
        });
        return command;
    }

    private static void Write(Utf8JsonWriter json, AnswerExplanation explanation)
    {
        json.WriteBoolean("equal", explanation.Equal);
        json.WriteString("why", explanation.Why);
        foreach ((string side, AnswerReading read) in (ReadOnlySpan<(string, AnswerReading)>)[("reference", explanation.Gold), ("answer", explanation.Answer)])
        {
            json.WriteStartObject(side);
            json.WriteString("place", read.Place.ToString().ToLowerInvariant());
            json.WriteString("text", read.Text);
            json.WriteString("kind", read.Kind);
            json.WriteString("reading", read.Reading);
            json.WriteEndObject();
        }
    }
}
