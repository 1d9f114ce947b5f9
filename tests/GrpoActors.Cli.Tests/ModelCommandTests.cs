using System.CommandLine;
using System.Text.Json;
using GrpoActors.Cli.Commands;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Cli.Tests;

public sealed class ModelCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Model => Directory.Exists(folder.File("model")) ? folder.File("model") : TinyModelFolder.Create(folder.File("model"));

    [Fact]
    public void Tokenize_writes_ids_and_what_was_rendered()
    {
        JsonElement[] rows = Rows("tokenize", Model, File("""{"text":"1+"}""", """{"messages":[{"role":"user","content":"1"}],"add_generation_prompt":true}""", """{"messages":[{"role":"user","content":"1"}]}"""));
        Assert.Equal("""{"ids":[5,14],"decoded":"1+"}""", rows[0].GetRawText());
        Assert.Equal(["<bos>[user]1[assistant]", "<bos>[user]1"], rows[1..].Select(row => row.GetProperty("rendered").GetString()));
        Assert.Equal("<bos>[user]1[assistant]", rows[1].GetProperty("decoded").GetString());
    }

    [Fact]
    public void Tokenize_chat_renders_texts_too() => Assert.Equal(
        "<bos>[user]1[assistant]", Rows("tokenize", Model, File("""{"text":"1"}"""), "--chat")[0].GetProperty("rendered").GetString());

    [Fact]
    public void Render_writes_text_or_error()
    {
        System.IO.File.WriteAllText(folder.File("t.jinja"), "{% if mood == 'bad' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}{{ strftime_now('%Y-%m-%d') }}{{ tools | length if tools else '' }}");
        string[] rows = [.. Rows("render", folder.File("t.jinja"), File(
            """{"messages":[{"content":"hi "}]}""", """{"messages":[{"content":""}],"tools":[1,2]}""", """{"messages":[{"content":""}],"variables":{"mood":"bad"}}"""), "--now", "2024-07-26").Select(row => row.GetRawText())];
        Assert.Equal(["""{"text":"hi 2024-07-26"}""", """{"text":"2024-07-262"}"""], rows[..2]);
        Assert.StartsWith("{\"error\":\"Chat template, line 1, column ", rows[2]);
    }

    [Fact]
    public void Render_says_where_the_assistant_speaks_if_the_template_marks_it()
    {
        System.IO.File.WriteAllText(folder.File("t.jinja"), "{% for m in messages %}[{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}]{% endfor %}");
        JsonElement row = Rows("render", folder.File("t.jinja"), File(
            """{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"you"},{"role":"assistant","content":"!"}]}"""))[0];
        Assert.Equal("""{"text":"[hi][you][!]","assistantSpans":[[5,8],[10,11]]}""", row.GetRawText());
    }

    [Fact]
    public void Log_probs_of_ids_and_of_texts_are_the_same_numbers()
    {
        JsonElement[] rows = Rows("logprobs", Model, File(
            """{"promptIds":[5,14],"completionIds":[5,2]}""", """{"prompt":"1+","completion":"1<eos>"}""", """{"promptIds":[5],"completionIds":[]}""", """{"messages":[{"role":"user","content":"1"}],"completion":"2"}"""));
        Assert.Equal(rows[0].GetProperty("logProbs").GetRawText(), rows[1].GetProperty("logProbs").GetRawText());
        Assert.Equal("[5,2]", rows[1].GetProperty("completionIds").GetRawText());
        Assert.Equal(2, rows[0].GetProperty("entropies").GetArrayLength());
        Assert.All(rows[0].GetProperty("logProbs").EnumerateArray(), logProb => Assert.InRange(logProb.GetDouble(), -10, 0));
        Assert.Equal("""{"logProbs":[],"entropies":[]}""", rows[2].GetRawText());
        Assert.Equal(1, rows[3].GetProperty("logProbs").GetArrayLength());
    }

    [Fact]
    public void Log_probs_of_texts_are_those_of_the_one_text_that_they_make()
    {
        TinyModelFolder.UseSentencePiece(Model);
        var talk = new StringWriter();
        var data = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(
            data, talk, "logprobs", Model, File("""{"prompt":"23+45=","completion":"68"}""", """{"prompt":"2= ","completion":"ab"}""", """{"prompt":"2 ","completion":"ab"}""")));
        JsonElement[] rows = [.. data.ToString().TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal(["[16]", "[18]", "[18]"], rows.Select(row => row.GetProperty("completionIds").GetRawText()));
        Assert.Equal("[1,3,4,5,10,6,7,11]", rows[0].GetProperty("promptIds").GetRawText());
        Assert.Contains("line 2: one token reaches from the prompt into the completion; it is counted to the completion", Assert.Single(talk.ToString().TrimEnd().Split('\n')));
    }

    [Fact]
    public void Log_probs_of_ids_need_no_tokenizer()
    {
        System.IO.File.Delete(Path.Combine(Model, "tokenizer.json"));
        Assert.Equal(1, Rows("logprobs", Model, File("""{"promptIds":[5],"completionIds":[5]}"""))[0].GetProperty("logProbs").GetArrayLength());
        Assert.Contains("tokenizer.json: there is no such file", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, "logprobs", Model, File("""{"prompt":"1","completion":"1"}"""))).Message);
    }

    [Fact]
    public void A_row_that_opens_no_turn_is_rendered_so_even_with_chat() => Assert.Equal(
        ["<bos>[user]1", "<bos>[user]1[assistant]", "<bos>[user]1[assistant]calm"],
        Rows("tokenize", Model, File(
            """{"messages":[{"role":"user","content":"1"}],"add_generation_prompt":false}""", """{"messages":[{"role":"user","content":"1"}]}""",
            """{"text":"1","chat_template_kwargs":{"mood":"calm"},"variables":{"mood":"bad"}}"""), "--chat").Select(row => row.GetProperty("rendered").GetString()));

    [Fact]
    public void Sample_of_a_model_without_an_end_says_so()
    {
        string model = Model;
        foreach (string file in new[] { "generation_config.json", "tokenizer_config.json" })
        {
            System.IO.File.Delete(Path.Combine(model, file));
        }

        string config = Path.Combine(model, "config.json");
        System.IO.File.WriteAllText(config, System.IO.File.ReadAllText(config).Replace("\"eos_token_id\":2", "\"eos_token_id\":null"));
        string[][] commands = [["sample", model, "--prompt", "1"], ["eval", model, "--data", File("""{"prompt":"1","answer":"1"}""")]];
        Assert.All(commands, command => Assert.StartsWith(
            "The model names no eos_token_id, so that no completion could end.", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, command)).Message));
    }

    [Fact]
    public void Sample_tells_once_that_the_files_end_turns_with_different_tokens()
    {
        System.IO.File.WriteAllText(Path.Combine(Model, "tokenizer_config.json"), """{"bos_token":"<bos>","eos_token":"<think>"}""");
        var talk = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(TextWriter.Null, talk, "sample", Model, "--prompt", "1+1=", "--max-completion-length", "3"));
        Assert.StartsWith("warning: the model's files end a turn with different tokens: ", Assert.Single(talk.ToString().TrimEnd().Split('\n')));
    }

    [Fact]
    public void A_prompt_of_a_token_that_the_embedding_lacks_is_refused()
    {
        System.IO.File.WriteAllText(Path.Combine(Model, "special_tokens_map.json"), """{"pad_token":"[PAD]"}""");
        Assert.Contains("The token '[PAD]' stands in no tokenizer.json", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, "sample", Model, "--prompt", "1")).Message);
    }

    [Theory]
    [InlineData("tokenize", """{"txt":"1"}""", "expected 'text' or 'messages', found neither")]
    [InlineData("tokenize", """{"text":1}""", "'text': expected a text, found 1")]
    [InlineData("tokenize", """{"text":"A"}""", "'A'")]
    [InlineData("tokenize", """{"text":""", "broken JSON")]
    [InlineData("tokenize", "[1]", "expected a JSON object, found [1]")]
    [InlineData("logprobs", """{"promptIds":[1]}""", "'completionIds' is missing")]
    [InlineData("logprobs", """{"promptIds":[],"completionIds":[1]}""", "the prompt is empty")]
    [InlineData("logprobs", """{"promptIds":[1,999],"completionIds":[1]}""", "'promptIds': expected token ids from 0 to ")]
    [InlineData("logprobs", """{"promptIds":[1,-1],"completionIds":[1]}""", "found -1")]
    [InlineData("logprobs", """{"prompt":"1"}""", "expected promptIds and completionIds")]
    public void A_bad_row_is_named_by_its_line_and_the_rows_before_it_are_written(string command, string row, string expected)
    {
        string good = command == "tokenize" ? """{"text":"1"}""" : """{"promptIds":[5],"completionIds":[5]}""";
        var data = new StringWriter();
        string message = Assert.Throws<MistakeException>(() => Run(data, command, Model, File(good, "", row, good))).Message;
        Assert.Contains("rows.jsonl, line 3: ", message);
        Assert.Contains(expected, message);
        Assert.Single(data.ToString().TrimEnd().Split('\n'));
    }

    [Fact]
    public void More_tokens_than_the_context_are_refused() => Assert.Contains(
        "line 1: has 66 tokens; the model's context is 64",
        Assert.Throws<MistakeException>(() => Run(TextWriter.Null, "logprobs", Model, File($$"""{"promptIds":[{{string.Join(',', Enumerable.Repeat(5, 65))}}],"completionIds":[5]}"""))).Message);

    [Theory]
    [InlineData("tokenize", "nowhere", "FILE")]
    [InlineData("logprobs", "nowhere", "FILE")]
    [InlineData("render", "nowhere", "FILE")]
    [InlineData("export", "nowhere", "out")]
    [InlineData("objective", "nowhere")]
    public void What_is_not_there_is_a_mistake(params string[] arguments) =>
        Assert.Contains("nowhere", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, arguments)).Message);

    [Fact]
    public void Export_stores_a_model_in_another_type()
    {
        var data = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(data, "export", Model, folder.File("out"), "--dtype", "bf16", "--max-shard-size", "3KB"));
        Assert.Contains("model.safetensors.index.json", data.ToString());
        Assert.Contains("--dtype int8", Assert.Throws<MistakeException>(() => Run(data, "export", Model, folder.File("out2"), "--dtype", "int8")).Message);
        Assert.Contains("--max-shard-size 5TB", Assert.Throws<MistakeException>(() => Run(data, "export", Model, folder.File("out2"), "--max-shard-size", "5TB")).Message);
    }

    [Theory]
    [InlineData("1e-3", ExitCodes.Done)]
    [InlineData("1e-30", ExitCodes.Failure)]
    public void Objective_exits_with_1_beyond_the_tolerance(string tolerance, int expected)
    {
        // -advantage * ratio, 2 completions of one token each: advantages -1/sqrt 2 and 1/sqrt 2 (divisor std + 1e-4)
        System.IO.File.WriteAllText(folder.File("dump.json"), """
            {
              "trl": "by hand", "group_size": 2, "rewards": [0, 1], "mask": [[1], [1]],
              "old": [[-1], [-1]], "new": [[-1], [-1]], "reference": [[-1], [-1]], "sampling": [[-1], [-1]], "entropy": [[1], [1]],
              "cases": [ { "config": { "loss_type": "grpo" }, "loss": 0, "gradient": [[0.35350339], [-0.35350339]] } ]
            }
            """);
        var data = new StringWriter();
        Assert.Equal(expected, Run(data, "objective", folder.File("dump.json"), "--tolerance", tolerance));
        Assert.Contains("trl by hand: 1 cases", data.ToString());
        var json = new StringWriter();
        Assert.Equal(expected, Run(json, "objective", folder.File("dump.json"), "--tolerance", tolerance, "--json"));
        Assert.Equal(expected == ExitCodes.Done, JsonDocument.Parse(json.ToString()).RootElement.GetProperty("within").GetBoolean());
    }

    [Theory]
    [InlineData(ExitCodes.Done, "equal: the same value", "answer", "\\frac{1}{2}", "So it is \\boxed{0.5}.")]
    [InlineData(ExitCodes.Failure, "not equal: the same value in another form", "answer", "\\frac{1}{2}", "So it is \\boxed{0.5}.", "--strict")]
    [InlineData(ExitCodes.Failure, "x ≥ 5", "answer", "5", "\\boxed{x \\ge 5}")]
    [InlineData(ExitCodes.Failure, "no answer: nothing follows the thinking", "answer", "5", "<think>5")]
    [InlineData(ExitCodes.Done, "whole number: -5", "answer", "--", "-5", "The answer is −5.")]
    public void Answer_says_how_both_sides_were_read_and_why_they_are_equal_or_not(int expected, string contained, params string[] arguments)
    {
        var data = new StringWriter();
        Assert.Equal(expected, Run(data, arguments));
        Assert.Contains(contained, data.ToString());
        Assert.StartsWith("reference  ", data.ToString());
    }

    [Fact]
    public void Answer_prints_one_JSON_object()
    {
        var data = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(data, "answer", "72", "#### 72 clips", "--json"));
        JsonElement root = JsonDocument.Parse(data.ToString()).RootElement;
        Assert.True(root.GetProperty("equal").GetBoolean());
        Assert.Equal("hashes", root.GetProperty("answer").GetProperty("place").GetString());
        Assert.Equal("whole number", root.GetProperty("reference").GetProperty("kind").GetString());
    }

    [Fact]
    public void Objective_compares_something_or_says_why_not()
    {
        System.IO.File.WriteAllText(folder.File("dump.json"), """{"trl": "by hand", "mask": [[1]], "rewards": [1], "cases": []}""");
        Assert.Contains("The dump has no case: there is nothing to compare.", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, "objective", folder.File("dump.json"))).Message);
    }

    [Fact]
    public void Eval_asks_a_data_file_several_times()
    {
        JsonElement result = Rows("eval", Model, "--data", File("""{"q":"1+1","answer":"2"}""", """{"q":"1+2","answer":"3"}"""), "--prompt-column", "q", "--prompt-template", "{prompt}=", "--chat",
            "-n", "3", "--max-completion-length", "4", "--reward", "length", "--reward-settings", "{\"target\":4}", "--threshold", "0", "--json")[0];
        Assert.Equal((2, 3), (result.GetProperty("problems").GetInt32(), result.GetProperty("samples").GetInt32()));
        Assert.Equal(["1", "2", "3"], result.GetProperty("pass@k").EnumerateObject().Select(k => k.Name));
        Assert.Equal(result.GetProperty("avg@n").GetDouble(), result.GetProperty("pass@k").GetProperty("1").GetDouble(), 12);
        Assert.Equal(result.GetRawText(), Rows("eval", Model, "--data", folder.File("rows.jsonl"), "--prompt-column", "q", "--prompt-template", "{prompt}=", "--chat",
            "-n", "3", "--max-completion-length", "4", "--reward", "length", "--reward-settings", "{\"target\":4}", "--threshold", "0", "--json", "--threads", "1")[0].GetRawText());
    }

    [Theory]
    [InlineData("--temperature is 0", "--temperature", "0")]
    [InlineData("-n is 0", "-n", "0")]
    [InlineData("--max-completion-length is 64", "--max-completion-length", "64")]
    [InlineData("does not hold {prompt}", "--prompt-template", "x")]
    [InlineData("is no run folder", "--step", "3")]
    public void A_wrong_option_of_eval_is_one_sentence(string says, params string[] options) =>
        Assert.Contains(says, Assert.Throws<MistakeException>(() => Run(TextWriter.Null, ["eval", Model, "--data", File("""{"prompt":"1","answer":"1"}"""), .. options])).Message);

    [Fact]
    public void Sample_writes_the_answer_that_several_completions_begin_with()
    {
        var one = new StringWriter();
        var two = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(one, "sample", Model, "--prompt", "1+1=", "--max-completion-length", "5"));
        Assert.Equal(ExitCodes.Done, Run(two, "sample", Model, "--prompt", "1+1=", "--max-completion-length", "5", "-n", "2"));
        Assert.StartsWith(one.ToString().TrimEnd('\n'), two.ToString()); // streamed or not: the same tokens
    }

    [Fact]
    public void Pull_refuses_what_is_no_name() =>
        Assert.Contains("is no model of the Hub", Assert.Throws<MistakeException>(() => Run(TextWriter.Null, "pull", "nameless")).Message);

    private string File(params string[] rows)
    {
        System.IO.File.WriteAllText(folder.File("rows.jsonl"), string.Join('\n', rows));
        return folder.File("rows.jsonl");
    }

    private static JsonElement[] Rows(params string[] arguments)
    {
        var data = new StringWriter();
        Assert.Equal(ExitCodes.Done, Run(data, arguments));
        return [.. data.ToString().TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
    }

    private static int Run(TextWriter data, params string[] arguments) => Run(data, TextWriter.Null, arguments);

    private static int Run(TextWriter data, TextWriter talk, params string[] arguments)
    {
        using var signals = new Signals(TextWriter.Null);
        return Root.Build(signals).Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = data, Error = talk });
    }
}
