using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Cli.Commands;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Cli.Tests;

/// <summary>Files and run files as people reported them: each is told by the command that they would call, in one sentence.</summary>
/// <remarks>Pairs of answers from the same reports: <c>GrpoActors.Rewards.Tests/Fixtures/answers</c>.</remarks>
public sealed class FieldFaultsTests : IDisposable
{
    private const string Turns = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if tools %}TOOLS{{ tools|length }}{% endif %}"
        + "{% if add_generation_prompt %}<assistant>{% if enable_thinking is defined and not enable_thinking %}NOTHINK{% endif %}{% endif %}";

    private const string Sum = """{"prompt":"1+1=","answer":"2"}""";
    private const string Chat = """{"messages":[{"role":"user","content":"1"}],"answer":"1"}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_token_of_tokenizer_config_is_one_token()
    {
        string model = Model();
        Write("model/tokenizer_config.json", """{"bos_token":"<bos>","eos_token":"<eos>","added_tokens_decoder":{"47":{"content":"<|new|>","special":true}}}""");
        Write("rows.jsonl", """{"text":"<|new|>"}""");
        Assert.Equal(1, Json("tokenize", model, folder.File("rows.jsonl")).GetProperty("ids").GetArrayLength());
    }

    [Fact]
    public void A_missing_chat_template_path_is_named_by_its_own_key() => Check(Chat, chat: """{"chat_template_path":"nope.jinja"}""", says: "nope.jinja\", which cannot be read: there is no such file.");

    [Fact]
    public void A_completion_gets_no_blank_of_its_tokenizer()
    {
        TinyModelFolder.UseSentencePiece(Model());
        Write("rows.jsonl", """{"prompt":"23+45=","completion":"68"}""");
        Assert.Equal("[16]", Json("logprobs", folder.File("model"), folder.File("rows.jsonl")).GetProperty("completionIds").GetRawText());
    }

    [Theory]
    [InlineData("""{"prompt":"LONG"}""", "has a prompt of 80 tokens in rows.jsonl, line 1; max_prompt_length is")]
    [InlineData("""{"prompt":""}""", "rows.jsonl, line 1 has an empty prompt")]
    [InlineData(Chat, "rows.jsonl, line 1 has messages, and the model has no chat template")]
    [InlineData("""{"prompt":"A"}""", "has a row that cannot be used: rows.jsonl, line 1")]
    public void Config_check_finds_the_rows_that_train_would_refuse(string row, string says) =>
        Check(row.Replace("LONG", new string('1', 80)), says, template: null);

    [Fact]
    public void Every_token_that_the_files_end_turns_with_is_told()
    {
        Model();
        Write("model/tokenizer_config.json", """{"bos_token":"<bos>","eos_token":"<think>"}""");
        Check(Sum, says: "warning: model.path: the model's files end a turn with different tokens", code: ExitCodes.Done);
    }

    [Fact]
    public void A_Git_LFS_pointer_is_called_one()
    {
        string model = Model();
        Write("model/model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 398280\n");
        Assert.Contains("model.safetensors: it is a Git LFS pointer, not the file itself; run git lfs pull", Mistake("sample", model, "--prompt", "1"));
    }

    [Theory]
    [InlineData(""" "lr_scheduler_type": "cosine_with_min_lr" """, "phases.grpo.lr_scheduler_kwargs: has neither min_lr nor min_lr_rate")]
    [InlineData(""" "lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1} """, null)]
    [InlineData(""" "scale_rewards": true, "max_grad_norm": null """, null)]
    [InlineData(""" "scale_rewards": false, "max_grad_norm": 0 """, null)]
    public void A_setting_is_taken_as_TRL_takes_it_or_refused(string settings, string? says) =>
        Check(Sum, says ?? "no mistakes", settings: settings, code: says is null ? ExitCodes.Done : ExitCodes.Mistake);

    [Fact]
    public void A_model_without_an_end_is_told_by_sample()
    {
        string model = Model();
        File.Delete(folder.File("model/generation_config.json"));
        File.Delete(folder.File("model/tokenizer_config.json"));
        Write("model/config.json", File.ReadAllText(folder.File("model/config.json")).Replace("\"eos_token_id\":2", "\"eos_token_id\":null"));
        Assert.StartsWith("The model names no eos_token_id", Mistake("sample", model, "--prompt", "1"));
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"a="},{"role":"assistant","content":"a"}]}""", "no mistakes", ExitCodes.Done)]
    [InlineData("""{"messages":[{"role":"user","content":"a="},{"role":"assistant","content":null}]}""", "rows.jsonl, line 1 ends with the assistant, and its last message has no text", ExitCodes.Mistake)]
    public void A_conversation_that_ends_with_the_assistant_is_continued_or_refused(string row, string says, int code) => Check(row, says, code: code);

    [Theory]
    [InlineData("/bin/false")]
    [InlineData("python4-none", "there is no such program on PATH")]
    [InlineData("/nowhere/python4", "there is no such program here")]
    public void A_reward_program_that_is_not_there_is_named(string command, string? says = null) => Check(
        Sum, says ?? "no mistakes", code: ExitCodes.Done,
        reward: Program(command));

    [Fact]
    public void A_reward_whose_answers_no_row_has_is_named() => Check(
        """{"data_source":"x","prompt":"2+2=","reward_model":{"style":"rule","ground_truth":"4"}}""",
        "in which no row has a column \"answer\", and reward \"ans\" compares with it", reward: """{"name":"ans","kind":"number_answer"}""");

    [Fact]
    public void A_reward_program_that_always_fails_stops_the_run_with_the_tail_of_what_it_said()
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // no reward program runs there
        }

        const string script = "echo Traceback, and where it came from >&2; echo 'ValueError: broken on purpose' >&2; exit 1";
        RunFile(Sum, settings: "\"steps\": 9", reward: Program("/bin/sh", "-c", script));
        Exception? failure = Run("train", folder.File("run.json"), "--run-dir", folder.File("run")).Failure;
        Assert.Contains("ValueError: broken on purpose", failure!.Message);
        Assert.Contains("has not scored one completion in 3 steps in a row (reward_failures_max)", failure.Message);
        Assert.Contains("failed on 2 of the last step's 2 completions, on data row 1", failure.Message);
    }

    [Fact]
    public void A_run_that_ends_before_a_silent_reward_stops_it_fails_every_time_it_is_started()
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // no reward program runs there
        }

        RunFile(Sum, settings: "\"steps\": 2", reward: Program("/bin/sh", "-c", "exit 1"));
        foreach (int start in new[] { 1, 2 })
        {
            Assert.Equal((start, ExitCodes.Failure), (start, Run("train", folder.File("run.json"), "--run-dir", folder.File("run")).Code));
        }
    }

    [Fact]
    public void A_prompt_that_is_a_list_of_messages_is_rendered_and_tokenized()
    {
        Write("rows.jsonl", """{"prompt":[{"role":"user","content":"1"}],"add_generation_prompt":true}""");
        Write("t.jinja", Turns);
        Assert.Equal("<user>1</s><assistant>", Json("render", folder.File("t.jinja"), folder.File("rows.jsonl")).GetProperty("text").GetString());
        Assert.NotEmpty(Json("tokenize", "--chat", Model(), folder.File("rows.jsonl")).GetProperty("ids").EnumerateArray());
    }

    [Theory]
    [InlineData(""" "tools":[{"type":"function","function":{"name":"f","parameters":{}}}] """, "<user>1</s>TOOLS1<assistant>")]
    [InlineData(""" "chat_template_kwargs":{"enable_thinking":false} """, "<user>1</s><assistant>NOTHINK")]
    public void Columns_of_a_row_reach_its_template(string column, string expected)
    {
        Write("rows.jsonl", $$"""{"messages":[{"role":"user","content":"1"}],"add_generation_prompt":true,{{column}}}""");
        Write("t.jinja", Turns);
        Assert.Equal(expected, Json("render", folder.File("t.jinja"), folder.File("rows.jsonl")).GetProperty("text").GetString());
    }

    [Fact]
    public void A_tied_model_with_another_head_is_refused()
    {
        string model = Model(tied: false), config = folder.File("model/config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"tie_word_embeddings\":false", "\"tie_word_embeddings\":true"));
        Write("ids.jsonl", """{"promptIds":[5],"completionIds":[6]}""");
        Assert.Contains("'lm_head.weight' is not the embedding, and config.json ties the two", Mistake("logprobs", model, folder.File("ids.jsonl")));
    }

    private string Model(string? template = TinyModelFolder.Template, bool tied = true) =>
        Directory.Exists(folder.File("model")) ? folder.File("model") : TinyModelFolder.Create(folder.File("model"), template, tied: tied);

    private void Write(string name, string text) => File.WriteAllText(folder.File(name), text);

    private void RunFile(string row, string? chat = null, string? settings = null, string? reward = null, string? template = TinyModelFolder.Template)
    {
        Model(template);
        Write("rows.jsonl", row + "\n");
        Write("run.json", $$"""
            {
              "model": { "path": "model"{{(chat is null ? "" : $", \"chat\": {chat}")}} },
              "phases": [ {
                "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "groups_per_step": 1, "num_generations": 2, "max_completion_length": 4,
                {{(settings?.Contains("\"steps\"", StringComparison.Ordinal) == true ? "" : "\"steps\": 1,")}} {{settings ?? "\"learning_rate\": 1e-6"}}
              } ],
              "rewards": [ {{reward ?? """{ "kind": "length", "settings": { "target": 3 } }"""}} ]
            }
            """);
    }

    private void Check(
        string row, string says, string? chat = null, string? settings = null, string? reward = null, string? template = TinyModelFolder.Template, int code = ExitCodes.Mistake)
    {
        RunFile(row, chat, settings, reward, template);
        var (actual, data, talk, _) = Run("config", "check", folder.File("run.json"));
        Assert.Contains(says, data + talk);
        Assert.Equal(code, actual);
    }

    private static string Program(string command, params string[] arguments) => new JsonObject
    {
        ["name"] = "py",
        ["kind"] = "process",
        ["settings"] = new JsonObject { ["command"] = command, ["args"] = new JsonArray([.. arguments.Select(static argument => JsonValue.Create(argument))]) },
    }.ToJsonString();

    private string Mistake(params string[] arguments) => Assert.IsType<MistakeException>(Run(arguments).Failure).Message;

    private JsonElement Json(params string[] arguments)
    {
        var (code, data, talk, failure) = Run(arguments);
        Assert.True(code == ExitCodes.Done, $"{talk}{failure?.Message}");
        return JsonDocument.Parse(data).RootElement;
    }

    private static (int Code, string Data, string Talk, Exception? Failure) Run(params string[] arguments)
    {
        using var signals = new Signals(TextWriter.Null);
        var (data, talk) = (new StringWriter(), new StringWriter());
        var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = data, Error = talk };
        int code = ExitCodes.Failure;
        Exception? failure = Record.Exception(() => code = Root.Build(signals).Parse(arguments).Invoke(configuration));
        return (code, data.ToString(), talk.ToString(), failure);
    }
}
