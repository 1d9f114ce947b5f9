using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using GrpoActors.Hub;
using GrpoActors.Text.Templates;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo render</c>.</summary>
internal static class RenderCommand
{
    private const string Description = """
        Renders conversations with a chat template, one JSON object a row: text, or error where the template errs. Where the template marks the assistant's words with a
        generation block, assistantSpans are their places in the text: [first, behind the last], in UTF-16 units.

        A row has messages, and tools, documents, variables (or chat_template_kwargs), add_generation_prompt where the template reads them.

        Example:
          grpo render chat_template.jinja chats.jsonl
        """;

    public static Command Build()
    {
        var command = new Command("render", Description.ReplaceLineEndings("\n"));
        var template = new Argument<string>("TEMPLATE") { Description = "A Jinja file, such as a model's chat_template.jinja." };
        var rows = new RowFile();
        var now = new Option<string?>("--now") { Description = "The date that strftime_now gives, as 2024-07-26 or 2024-07-26T12:00:00; by default today's.", HelpName = "DATE" };
        command.Add(template);
        command.Add(rows.Argument);
        command.Add(now);
        command.SetAction(parsed => RowFile.Guard(() =>
        {
            ChatTemplate chat = ChatTemplate.Parse(File.ReadAllText(parsed.GetRequiredValue(template)));
            DateTimeOffset date = Date(parsed.GetValue(now));
            foreach (Row row in rows.Rows(parsed))
            {
                Write(parsed.InvocationConfiguration.Output, chat, row, date);
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static void Write(TextWriter to, ChatTemplate chat, Row row, DateTimeOffset now)
    {
        RenderedChat? rendered = null;
        string? error = null;
        JsonElement messages = row.Conversation() ?? throw row.Wrong("expected 'messages', found none");
        TemplateColumns own = row.Template();
        try
        {
            rendered = chat.Render(new ChatTemplateInput
            {
                Messages = messages,
                Tools = own.Tools,
                AddGenerationPrompt = row.Flag("add_generation_prompt"),
                Variables = own.Variables is { } variables
                    ? variables.EnumerateObject().ToDictionary(variable => variable.Name, variable => variable.Value)
                    : new Dictionary<string, JsonElement>(),
                Now = now,
            });
        }
        catch (TemplateException refused)
        {
            error = refused.Message;
        }

        RowFile.Write(to, json =>
        {
            json.WriteString(rendered is null ? "error" : "text", rendered?.Text ?? error);
            if (rendered is not null && chat.MarksAssistant)
            {
                Write(json, rendered.AssistantSpans);
            }
        });
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<AssistantSpan> spans)
    {
        json.WriteStartArray("assistantSpans");
        foreach (AssistantSpan span in spans)
        {
            json.WriteStartArray();
            json.WriteNumberValue(span.Start);
            json.WriteNumberValue(span.End);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    private static DateTimeOffset Date(string? written)
    {
        if (written is null)
        {
            return TimeProvider.System.GetLocalNow();
        }

        return DateTimeOffset.TryParse(written, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date)
            ? date
            : throw new MistakeException($"--now {written} is no date. Write --now 2024-07-26, or 2024-07-26T12:00:00.");
    }
}
