using System.CommandLine;
using System.Text.Json;
using GrpoActors.Hub;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo tokenize</c>.</summary>
internal static class TokenizeCommand
{
    private const string Description = """
        Writes the token ids of texts and conversations, one JSON object a row: ids, decoded, and rendered for a conversation.

        A row has text, or messages (or prompt, a list of messages) and add_generation_prompt (and tools, documents, variables, chat_template_kwargs).
        It is for checking against other software.

        Example:
          grpo tokenize HuggingFaceTB/SmolLM2-135M-Instruct texts.jsonl
        """;

    public static Command Build()
    {
        var command = new Command("tokenize", Description.ReplaceLineEndings("\n"));
        var model = new Argument<string>("MODEL") { Description = "A folder with tokenizer.json, or OWNER/NAME of a model that was pulled." };
        var rows = new RowFile();
        var chat = new Option<bool>("--chat")
        {
            Description = "Render a row's text too, as one message of the user. The assistant's turn is opened, unless the row says add_generation_prompt false.",
        };
        var special = new Option<bool>("--special-tokens") { Description = "Add what the tokenizer adds to plain text, such as a first token." };
        command.Add(model);
        command.Add(rows.Argument);
        command.Add(chat);
        command.Add(special);
        command.SetAction(parsed => RowFile.Guard(() =>
        {
            string folder = ModelFolders.Find(parsed.GetRequiredValue(model));
            ITokenizer tokenizer = Tokenizers.Load(folder);
            ModelChat? template = Directory.Exists(folder) ? ModelChat.Read(folder) : null;
            foreach (Row row in rows.Rows(parsed))
            {
                Write(parsed.InvocationConfiguration.Output, row, tokenizer, template, parsed.GetValue(chat), parsed.GetValue(special));
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static void Write(TextWriter to, Row row, ITokenizer tokenizer, ModelChat? template, bool chat, bool special)
    {
        string? rendered = Rendered(row, template, chat);
        string text = rendered ?? row.Text("text") ?? throw row.Wrong("expected 'text' or 'messages', found neither");
        int[] ids;
        try
        {
            ids = tokenizer.Encode(text, addSpecialTokens: special && rendered is null);
        }
        catch (UnknownCharacterException unknown)
        {
            throw row.Wrong(unknown.Message);
        }

        RowFile.Write(to, json =>
        {
            json.WriteStartArray("ids");
            foreach (int id in ids)
            {
                json.WriteNumberValue(id);
            }

            json.WriteEndArray();
            json.WriteString("decoded", tokenizer.Decode(ids));
            if (rendered is not null)
            {
                json.WriteString("rendered", rendered);
            }
        });
    }

    private static string? Rendered(Row row, ModelChat? template, bool chat)
    {
        bool opens = row["add_generation_prompt"] is null ? chat : row.Flag("add_generation_prompt");
        JsonElement? messages = row.Conversation() ?? (chat && row.Text("text") is { } text ? JsonSerializer.SerializeToElement(new[] { new { role = "user", content = text } }) : null);
        if (messages is not { } conversation)
        {
            return null;
        }

        TemplateColumns own = row.Template();
        try
        {
            return template is null
                ? throw row.Wrong("has messages, and the model has no chat template")
                : template.Render(conversation, own.Tools, own.Variables, opens, TimeProvider.System.GetLocalNow());
        }
        catch (TemplateException refused)
        {
            throw row.Wrong(refused.Message);
        }
    }
}
