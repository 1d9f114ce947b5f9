using System.Text.Json;
using GrpoActors.Core.Plans;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using Xunit;

namespace GrpoActors.Runtime.Tests.Composition;

public sealed class ConversationDataTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Messages_are_rendered_by_the_models_template_and_open_the_assistants_turn() => Assert.Equal(
        ["<bos>[user]1+1=[assistant]", "<bos>[system]be brief[user]2+2=[assistant]"],
        Prompts("""
            {"messages":[{"role":"user","content":"1+1="}],"answer":"2"}
            {"prompt":[{"role":"system","content":"be brief"},{"role":"user","content":"2+2="}],"answer":4}
            """));

    [Fact]
    public void Prompts_are_taken_as_they_stand_unless_the_run_file_says_otherwise()
    {
        const string row = """{"prompt":"1+1=","answer":"2"}""";
        Assert.Equal(["1+1="], Prompts(row));
        Assert.Equal(["<bos>[user]1+1=[assistant]"], Prompts(row, ("model.chat.apply_to_prompts", "true")));
        Assert.Equal(["<bos>[system]be brief[user]1+1=[assistant]"], Prompts(row, ("model.chat.apply_to_prompts", "true"), ("model.chat.system", "be brief")));
    }

    [Fact]
    public void Variables_of_the_run_file_reach_the_template() => Assert.Equal(
        ["<bos>[user]1+1=[assistant]calm"],
        Prompts("""{"messages":[{"role":"user","content":"1+1="}]}""", ("model.chat.chat_template_kwargs.mood", "calm")));

    [Fact]
    public void A_template_may_stand_in_tokenizer_config()
    {
        TinyModelFolder.Create(folder.File("model"), template: null, templateInConfig: "{{ messages[0].content }}!".Replace("!", "="));
        Assert.Equal(["1+1="], Read("""{"messages":[{"role":"user","content":"1+1"}]}""").Rows.Select(row => row.Prompt));
    }

    [Fact]
    public void A_rendered_prompt_has_its_special_tokens_once()
    {
        PromptRow row = Assert.Single(Rows("""{"messages":[{"role":"user","content":"1"}]}"""));
        Assert.Equal(1, row.PromptTokens[0]);
        Assert.Equal(1, row.PromptTokens.Count(id => id == 1));
    }

    [Fact]
    public void Columns_are_found_by_the_names_of_the_run_file()
    {
        PromptRow row = Assert.Single(Rows(
            """{"question":"1+1","solution":"2"}""",
            ("phases.grpo.prompt_column", "question"), ("phases.grpo.answer_column", "solution"), ("phases.grpo.prompt_template", "{prompt}=")));
        Assert.Equal(("1+1=", "2"), (row.Prompt, row.Answer));
    }

    [Fact]
    public void A_prompt_beyond_max_prompt_length_is_refused_by_line()
    {
        ConfigException refused = Assert.Throws<ConfigException>(() => Rows(Lengths(3, 9, 4), ("phases.grpo.max_prompt_length", "4")));
        Assert.Contains("has a prompt of 9 tokens in rows.jsonl, line 2; max_prompt_length is 4.", Assert.Single(refused.Errors).Problem);
    }

    [Fact]
    public void Filtering_leaves_long_prompts_out_and_counts_the_rest()
    {
        (PromptTable table, DataPlan plan) = Table(Lengths(3, 9, 4), ("phases.grpo.max_prompt_length", "4"), ("phases.grpo.overlong_prompts", "filter"));
        Assert.Equal([3, 4], table.Rows.Select(row => row.PromptTokens.Length));
        Assert.Equal(2, plan.Rows);
    }

    [Fact]
    public void Truncation_keeps_the_last_tokens()
    {
        IReadOnlyList<PromptRow> rows = Rows("""{"prompt":"12345="}""", ("phases.grpo.max_prompt_length", "4"), ("phases.grpo.overlong_prompts", "truncate"));
        Assert.Equal(Rows("""{"prompt":"345="}""")[0].PromptTokens, Assert.Single(rows).PromptTokens);
    }

    [Fact]
    public void Prompt_and_completion_beyond_the_context_are_refused() => Assert.Contains(
        "exceeds the model's context of 64 tokens",
        Assert.Single(Assert.Throws<ConfigException>(() => Rows(Lengths(3), ("phases.grpo.max_prompt_length", "60"))).Errors).Problem);

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"A"}]}""", "rows.jsonl, line 1 cannot be encoded")]
    [InlineData("""{"messages":[{"role":"user","content":3}]}""", null)]
    public void A_row_that_cannot_be_encoded_is_named_by_line(string row, string? says)
    {
        if (says is null)
        {
            Assert.Equal("<bos>[user]3[assistant]", Rows(row)[0].Prompt); // a template writes numbers too
            return;
        }

        Assert.Contains(says, Assert.Single(Assert.Throws<ConfigException>(() => Rows(row)).Errors).Problem);
    }

    [Fact]
    public void What_the_template_refuses_is_named_by_line()
    {
        TinyModelFolder.Create(folder.File("model"), "{% if messages|length > 1 %}{{ raise_exception('one message only') }}{% endif %}{{ messages[0].content }}");
        ConfigException refused = Assert.Throws<ConfigException>(() => Read(
            """
            {"messages":[{"role":"user","content":"1"}]}
            {"messages":[{"role":"user","content":"1"},{"role":"user","content":"2"}]}
            """));
        Assert.Contains("line 2 is refused by the chat template", Assert.Single(refused.Errors).Problem);
        Assert.Contains("one message only", Assert.Single(refused.Errors).Problem);
    }

    [Fact]
    public void Messages_without_a_template_are_refused_with_what_to_do()
    {
        TinyModelFolder.Create(folder.File("model"), template: null);
        ConfigException refused = Assert.Throws<ConfigException>(() => Read("""{"messages":[{"role":"user","content":"1"}]}"""));
        Assert.Contains("line 1 has messages, and the model has no chat template; give prompt, or model.chat.chat_template_path", Assert.Single(refused.Errors).Problem);
    }

    [Fact]
    public void A_broken_template_is_one_sentence()
    {
        TinyModelFolder.Create(folder.File("model"), "{% for m in messages %}");
        Assert.StartsWith("cannot be used: ", Assert.Single(Assert.Throws<ConfigException>(() => Read("""{"prompt":"1"}""")).Errors).Problem);
    }

    [Fact]
    public void Every_eos_of_generation_config_ends_a_completion()
    {
        TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("rows.jsonl"), """{"prompt":"1"}""");
        Assert.Equal(new[] { 2, 0 }, Plan([]).Identity.Phases[0].Groups.Sampling.EosTokens);
    }

    [Fact]
    public void What_the_assistant_has_begun_to_say_is_continued() => Assert.Equal(
        ["<bos>[user]1+1=[assistant]so 1", "<bos>[user]1+1=[assistant]"],
        Prompts("""
            {"prompt":[{"role":"user","content":"1+1="},{"role":"assistant","content":"so 1"}],"answer":"2"}
            {"prompt":[{"role":"user","content":"1+1="}],"answer":"2"}
            """));

    [Fact]
    public void A_conversation_that_cannot_be_continued_is_refused_by_line()
    {
        TinyModelFolder.Create(folder.File("model"));
        ConfigException refused = Assert.Throws<ConfigException>(() => Read("""{"messages":[{"role":"user","content":"1"},{"role":"assistant","content":null}]}"""));
        Assert.Contains("rows.jsonl, line 1 ends with the assistant, and its last message has no text to continue.", Assert.Single(refused.Errors).Problem);
    }

    [Fact]
    public void Tools_documents_and_variables_of_a_row_reach_the_template()
    {
        TinyModelFolder.Create(folder.File("model"), "{{ messages[0].content }}{{ tools|length if tools else '' }}{{ documents|length if documents else '' }}{{ mood }}");
        Assert.Equal(["1", "11calm", "122glad"], Read(
            """
            {"messages":[{"role":"user","content":"1"}],"tools":null}
            {"messages":[{"role":"user","content":"1"}],"tools":[{"type":"function"}],"chat_template_kwargs":{"mood":"calm"}}
            {"messages":[{"role":"user","content":"1"}],"tools":"[1,2]","documents":[{"text":"a"},{"text":"b"}],"chat_template_kwargs":{"mood":"glad"}}
            """).Rows.Select(row => row.Prompt));
    }

    [Fact]
    public void A_column_of_tools_that_are_none_is_refused_by_line()
    {
        TinyModelFolder.Create(folder.File("model"));
        ConfigException refused = Assert.Throws<ConfigException>(() => Read("""{"messages":[{"role":"user","content":"1"}],"tools":"hammer"}"""));
        Assert.Contains("line 1 has 'tools' \"hammer\", where the chat template takes a list of tools.", Assert.Single(refused.Errors).Problem);
    }

    [Fact]
    public void A_worked_example_is_encoded_as_the_one_text_that_it_is()
    {
        TinyModelFolder.Create(folder.File("model"), template: null);
        TinyModelFolder.UseSentencePiece(folder.File("model"));
        (string, string) sft = ("phases", JsonSerializer.Serialize(new[] { new { name = "warmup", kind = "sft", data = folder.File("rows.jsonl"), steps = 1 } }));
        IReadOnlyList<PromptRow> rows = Read(
            """
            {"prompt":"23+45=","completion":"68"}
            {"prompt":"2= ","completion":"ab"}
            {"prompt":"2=","completion":"68<eos>"}
            """, sft).Rows;
        Assert.Equal([1, 3, 4, 5, 10, 6, 7, 11], rows[0].PromptTokens);
        Assert.Equal([16, 2], rows[0].CompletionTokens); // neither a blank before 68, nor a second end
        Assert.Equal([1, 3, 4, 11], rows[1].PromptTokens);
        Assert.Equal([18, 2], rows[1].CompletionTokens);
        Assert.Equal([16, 2], rows[2].CompletionTokens);
        Assert.Equal(
            "phases.warmup.data: in 1 of the first 3 rows, such as line 2, one token reaches from the prompt into the completion; it is counted to the completion. Let prompts end where a token does, such as before a blank.",
            Assert.Single(Result([sft]).Warnings));
    }

    [Fact]
    public void Ends_that_only_the_tokenizer_or_the_template_name_end_completions_and_are_told_once()
    {
        TinyModelFolder.Create(folder.File("model"), "{% for m in messages %}[{{ m.role }}]{{ m.content }}<think>{% endfor %}");
        File.WriteAllText(folder.File("rows.jsonl"), """{"prompt":"1"}""");
        PlanResult result = Result([]);
        Assert.Equal(new[] { 2, 0, 3 }, result.PlanOrThrow().Identity.Phases[0].Groups.Sampling.EosTokens);
        Assert.Equal(
            "model.path: the model's files end a turn with different tokens: generation_config.json with <eos> (2), <pad> (0); config.json with <eos> (2); tokenizer_config.json with <eos> (2); the chat template with <think> (3). Each of them ends a completion.",
            Assert.Single(result.Warnings));
    }

    [Fact]
    public void A_token_that_only_tokenizer_config_declares_is_one_token_and_part_of_the_identity()
    {
        TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("rows.jsonl"), """{"prompt":"1"}""");
        string before = Plan([]).Identity.Tokenizer.ToString();
        string config = folder.File("model/config.json"), names = folder.File("model/tokenizer_config.json");
        int size = JsonDocument.Parse(File.ReadAllText(config)).RootElement.GetProperty("vocab_size").GetInt32();
        File.WriteAllText(names, File.ReadAllText(names).Replace("{\"bos_token\"", "{\"additional_special_tokens\":[\"<new>\"],\"bos_token\""));
        ConfigError refused = Assert.Single(Result([]).Errors);
        Assert.Contains($"has a tokenizer of {size + 1} tokens and an embedding of {size} rows.", refused.Problem);
        Assert.Contains("The token '<new>' stands in no tokenizer.json", refused.Fix);
        File.WriteAllText(names, File.ReadAllText(names).Replace("<new>", "<eos>"));
        Assert.Equal(before, Plan([]).Identity.Tokenizer.ToString());
        File.WriteAllText(names, File.ReadAllText(names).Replace("[\"<eos>\"]", "[\"a\"]"));
        Assert.NotEqual(before, Plan([]).Identity.Tokenizer.ToString());
    }

    [Fact]
    public void A_model_that_names_no_end_is_refused_with_where_to_name_it()
    {
        TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("rows.jsonl"), """{"prompt":"1"}""");
        File.WriteAllText(folder.File("model/generation_config.json"), "{}");
        File.WriteAllText(folder.File("model/config.json"), File.ReadAllText(folder.File("model/config.json")).Replace("\"eos_token_id\":2", "\"eos_token_id\":null"));
        Assert.Equal(new[] { 2 }, Plan([]).Identity.Phases[0].Groups.Sampling.EosTokens); // tokenizer_config.json still does
        File.WriteAllText(folder.File("model/tokenizer_config.json"), "{}");
        ConfigError refused = Assert.Single(Result([]).Errors);
        Assert.Contains("names no eos_token_id", refused.Problem);
        Assert.Contains("eos_token to tokenizer_config.json", refused.Fix);
    }

    private static string Lengths(params int[] lengths) => string.Join('\n', lengths.Select(length => JsonSerializer.Serialize(new { prompt = new string('1', length) })));

    private IEnumerable<string> Prompts(string rows, params (string, string)[] sets) => Rows(rows, sets).Select(row => row.Prompt);

    private IReadOnlyList<PromptRow> Rows(string rows, params (string, string)[] sets) => Table(rows, sets).Table.Rows;

    private (PromptTable Table, DataPlan Plan) Table(string rows, params (string, string)[] sets)
    {
        TinyModelFolder.Create(folder.File("model"));
        PromptTable table = Read(rows, sets);
        return (table, Plan(sets).Identity.Phases[0].Data);
    }

    private PromptTable Read(string rows, params (string Key, string Value)[] sets)
    {
        File.WriteAllText(folder.File("rows.jsonl"), rows);
        using RunSetup setup = RunComposition.Build(Plan(sets), RewardRegistry.BuiltIn);
        return setup.Phases[0];
    }

    private RunPlan Plan((string Key, string Value)[] sets) => Result(sets).PlanOrThrow();

    private PlanResult Result((string Key, string Value)[] sets)
    {
        const string run = """
            {
              "model": { "path": "model" },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 1, "max_completion_length": 8 } ],
              "rewards": [ { "kind": "regex_format", "settings": { "pattern": "x" } } ],
            }
            """;
        RunOptions options = RunOptions.Parse(run, folder.File("run.json"));
        foreach ((string key, string value) in sets)
        {
            options = options.With(key, value);
        }

        return RunComposition.Plan(options, RewardRegistry.BuiltIn);
    }
}
