using System.Text.Json;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Journal.Tests;
using GrpoActors.Text;
using Xunit;

namespace GrpoActors.Hub.Tests;

public sealed class ModelChatTests : IDisposable
{
    private const string Template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if tools %}TOOLS{{ tools|length }}{% endif %}{% if add_generation_prompt %}<assistant>{% endif %}";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_template_of_a_processor_is_read_where_there_is_no_other()
    {
        Write("chat_template.json", new { chat_template = "processor" });
        Assert.Equal("processor", Rendered("""[{"role":"user","content":"hi"}]"""));
        Write("tokenizer_config.json", new { chat_template = "tokenizer" });
        Assert.Equal("tokenizer", Rendered("""[{"role":"user","content":"hi"}]"""));
        File.WriteAllText(folder.File("chat_template.jinja"), "jinja");
        Assert.Equal("jinja", Rendered("""[{"role":"user","content":"hi"}]"""));
    }

    [Fact]
    public void Of_several_templates_the_default_is_taken_and_with_tools_the_one_for_tools()
    {
        Write("tokenizer_config.json", new { chat_template = new[] { new { name = "rag", template = "r" }, new { name = "tool_use", template = "t" }, new { name = "default", template = "d" } } });
        Assert.Equal("d", Rendered("""[{"role":"user","content":"hi"}]"""));
        Assert.Equal("t", Rendered("""[{"role":"user","content":"hi"}]""", """[{"type":"function"}]"""));
    }

    [Fact]
    public void Several_templates_without_a_default_are_refused_by_their_names()
    {
        Write("tokenizer_config.json", new { chat_template = new[] { new { name = "rag", template = "r" }, new { name = "tool_use", template = "t" } } });
        Assert.Contains("chat_template holds the templates rag, tool_use, and none is named default", Assert.Throws<InvalidDataException>(() => ModelChat.Read(folder.Path)).Message);
    }

    [Fact]
    public void Further_templates_of_a_folder_of_their_own_have_their_files_names()
    {
        Directory.CreateDirectory(folder.File("additional_chat_templates"));
        File.WriteAllText(folder.File("additional_chat_templates/tool_use.jinja"), "t");
        Write("tokenizer_config.json", new { chat_template = "older" });
        Assert.Contains("holds the templates tool_use, and none is named default", Assert.Throws<InvalidDataException>(() => ModelChat.Read(folder.Path)).Message);
        File.WriteAllText(folder.File("chat_template.jinja"), "d");
        Assert.Equal("d", Rendered("""[{"role":"user","content":"hi"}]"""));
        Assert.Equal("t", Rendered("""[{"role":"user","content":"hi"}]""", """[{"type":"function"}]"""));
    }

    [Theory]
    [InlineData("""[{"role":"user","content":"a="}]""", "<user>a=</s><assistant>")]
    [InlineData("""[{"role":"user","content":"a="},{"role":"assistant","content":"Let me think"}]""", "<user>a=</s><assistant>Let me think")]
    [InlineData("""[{"role":"user","content":"a="},{"role":"assistant","content":""}]""", "<user>a=</s><assistant>")]
    [InlineData("""[{"role":"user","content":"a="},{"role":"assistant","content":"1, "}]""", "<user>a=</s><assistant>1, ")]
    [InlineData("""[{"role":"assistant","content":"Ask"},{"role":"user","content":"a="}]""", "<assistant>Ask</s><user>a=</s><assistant>")]
    public void What_the_assistant_said_last_is_continued(string messages, string prompt)
    {
        File.WriteAllText(folder.File("chat_template.jinja"), Template);
        Assert.Equal(prompt, Rendered(messages));
    }

    [Fact]
    public void A_template_that_trims_words_trims_the_blank_that_would_be_continued_too()
    {
        File.WriteAllText(folder.File("chat_template.jinja"), Template.Replace("m.content", "m.content|trim"));
        Assert.Equal("<user>a=</s><assistant>1,", Rendered("""[{"role":"user","content":"a="},{"role":"assistant","content":"1, "}]"""));
    }

    [Fact]
    public void Of_words_in_parts_the_last_text_is_continued()
    {
        File.WriteAllText(folder.File("chat_template.jinja"), "{% for m in messages %}<{{ m.role }}>{% for part in m.content %}{{ part.text }}{% endfor %}</s>{% endfor %}");
        Assert.Equal("<assistant>ab", Rendered("""[{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"""));
    }

    [Theory]
    [InlineData(Template, """[{"role":"assistant","content":null,"tool_calls":[]}]""", "ends with the assistant, and its last message has no text to continue")]
    [InlineData("{{ messages[0].content }}", """[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]""", "ends with the assistant, whose words the chat template leaves out, so that they cannot be continued")]
    public void Words_that_cannot_be_continued_are_refused(string template, string messages, string says)
    {
        File.WriteAllText(folder.File("chat_template.jinja"), template);
        Assert.Equal(says, Assert.Throws<InvalidDataException>(() => Rendered(messages)).Message);
    }

    [Theory]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}", "<|im_end|>")]
    [InlineData("{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }} </s>{% endif %}{% endfor %}", "</s>")]
    [InlineData("{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}[assistant]", "<|im_end|>")] // opens the next turn always
    [InlineData("{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}", null)] // behind the user's words, too: it may open a turn
    [InlineData("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", null)]
    [InlineData("{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}<|im_start|>", null)]
    [InlineData("{{ raise_exception('no') }}", null)]
    public void What_a_template_ends_the_assistants_turn_with_is_found(string template, string? end)
    {
        File.WriteAllText(folder.File("chat_template.jinja"), template);
        Assert.Equal(end, ModelChat.Read(folder.Path)!.TurnEnd(Letters)?.Content);
    }

    [Theory]
    [InlineData("[2]", "2", "</s>", null, new[] { 2 }, 2, 2)]
    [InlineData("[2, 0]", "2", "</s>", null, new[] { 2, 0 }, 2, 2)]
    [InlineData("2", "0", null, null, new[] { 2, 0 }, 2, 2)]
    [InlineData("2", "2", "<|im_end|>", "<|im_end|>", new[] { 2, 4 }, 4, 4)]
    [InlineData("2", "2", "</s>", "<|im_end|>", new[] { 2, 4 }, 2, 4)]
    [InlineData("null", "null", "</s>", "<|im_end|>", new[] { 2, 4 }, 2, 4)]
    [InlineData("null", "2", "nowhere", null, new[] { 2 }, 2, 2)]
    public void Every_token_that_a_file_or_the_template_ends_turns_with_ends_a_completion(string generation, string config, string? named, string? written, int[] ids, int ofText, int ofTurn)
    {
        TinyModelFolder.Create(folder.Path, template: $"{{% for m in messages %}}[{{{{ m.role }}}}]{{{{ m.content }}}}{written}{{% endfor %}}");
        string json = File.ReadAllText(folder.File("config.json"));
        File.WriteAllText(folder.File("config.json"), json.Replace("\"eos_token_id\":2", $"\"eos_token_id\":{config}"));
        File.WriteAllText(folder.File("generation_config.json"), $$"""{"eos_token_id":{{generation}}}""");
        TurnEnds ends = TurnEnds.Of(HuggingFaceConfig.Read(folder.Path), Letters, named, ModelChat.Read(folder.Path));
        Assert.Equal(ids, ends.Ids.AsEnumerable());
        Assert.Equal((ofText, ofTurn), (ends.OfText, ends.OfTurn));
    }

    [Theory]
    [InlineData("""{"eos_token_id":2}""", "</s>", null)]
    [InlineData("""{"eos_token_id":[2,4]}""", "<|im_end|>", null)]
    [InlineData("""{"eos_token_id":2}""", "<|im_end|>", "generation_config.json with </s> (2); config.json with </s> (2); tokenizer_config.json with <|im_end|> (4). Each of them ends a completion.")]
    public void Files_that_disagree_are_told_and_files_that_say_more_or_less_are_not(string generation, string named, string? says)
    {
        TinyModelFolder.Create(folder.Path, template: null);
        File.WriteAllText(folder.File("generation_config.json"), generation);
        string? disagreement = TurnEnds.Of(HuggingFaceConfig.Read(folder.Path), Letters, named, null).Disagreement;
        Assert.Equal(says is null ? null : $"the model's files end a turn with different tokens: {says}", disagreement);
    }

    [Fact]
    public void Columns_of_a_row_reach_the_template_and_win_over_what_holds_for_all()
    {
        var row = new Dictionary<string, JsonElement>
        {
            ["tools"] = Parse("""[{"type":"function"}]"""),
            ["documents"] = Parse("\"[1,2]\""), // a table's cell
            ["chat_template_kwargs"] = Parse("""{"enable_thinking":false}"""),
        };
        TemplateColumns own = TemplateColumns.Of(name => row[name], Parse("""{"enable_thinking":true,"mood":"calm"}"""));
        Assert.Equal(1, own.Tools!.Value.GetArrayLength());
        Assert.Equal("""{"enable_thinking":false,"mood":"calm","documents":[1,2]}""", own.Variables!.Value.GetRawText());
    }

    [Theory]
    [InlineData("tools", "\"hammer\"", "has 'tools' \"hammer\", where the chat template takes a list of tools")]
    [InlineData("chat_template_kwargs", "[1]", "has 'chat_template_kwargs' [1], where the chat template takes an object")]
    public void A_column_of_another_form_is_refused(string column, string value, string says) =>
        Assert.Equal(says, Assert.Throws<InvalidDataException>(() => TemplateColumns.Of(name => name == column ? Parse(value) : null, null)).Message);

    private static CharacterTokenizer Letters => CharacterTokenizer.Create("abcdefghijklmnopqrstuvwxyz[]:\n ", ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]);

    private static JsonElement Parse(string json) => JsonElement.Parse(json);

    private string Rendered(string messages, string? tools = null) =>
        ModelChat.Read(folder.Path)!.RenderPrompt(Parse(messages), tools is null ? null : Parse(tools));

    private void Write(string name, object json) => File.WriteAllText(folder.File(name), JsonSerializer.Serialize(json));
}
