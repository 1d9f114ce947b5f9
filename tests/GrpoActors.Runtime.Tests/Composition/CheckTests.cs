using System.IO.Compression;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Runtime.Tests.Composition;

/// <summary>What a check finds is what the start of the run would refuse.</summary>
public sealed class CheckTests : IDisposable
{
    private const string Good = "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n";

    private readonly TemporaryFolder folder = new();

    public CheckTests()
    {
        TinyModelFolder.Create(folder.File("model"), template: null);
        File.WriteAllText(folder.File("good.jsonl"), Good);
    }

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("{\"prompt\":\"1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=1+1=\"}", "tokens in rows.jsonl, line 2; max_prompt_length is ")]
    [InlineData("{\"prompt\":\"\"}", "rows.jsonl, line 2 has an empty prompt")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"1+1=\"}]}", "rows.jsonl, line 2 has messages, and the model has no chat template")]
    [InlineData("{\"question\":\"1+1=\"}", "rows.jsonl, line 2: expected one of 'prompt' and 'messages', found neither")]
    public void A_row_that_the_run_would_refuse_is_found(string row, string expected)
    {
        File.WriteAllText(folder.File("rows.jsonl"), Good + row + "\n");
        ConfigError error = Assert.Single(Check("rows.jsonl").Errors);
        Assert.Equal("phases.grpo.data", error.Key);
        Assert.Contains(expected, error.ToString(), StringComparison.Ordinal);
        ConfigException refused = Assert.Throws<ConfigException>(() => GrpoRun.Open(folder.File("run.json"), new GrpoRunSettings { Overrides = [("run_dir", folder.File("run"))] }).Dispose());
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_and_settings_are_told_together_and_rows_alone_are_passed_over_where_that_is_asked()
    {
        File.WriteAllText(folder.File("rows.jsonl"), "{\"prompt\":\"\"}\n\n{\"prompt\":\"\"}\n");
        File.WriteAllText(folder.File("heldout.jsonl"), "{\"messages\":[{\"role\":\"user\",\"content\":\"1\"}]}\n");
        (string, string)[] sets = [("lag", "-1"), ("evaluation", $$"""{"data":"{{folder.File("heldout.jsonl")}}"}""")];
        Assert.Equal(["lag", "phases.grpo.data", "phases.grpo.data", "evaluation.data"], Check("rows.jsonl", sets).Errors.Select(error => error.Key));
        Assert.Equal(["lag"], GrpoRun.Check(folder.File("run.json"), new GrpoRunSettings { Overrides = sets }, withRows: false).Errors.Select(error => error.Key));
    }

    [Theory]
    [InlineData("nope.jinja", null, "is \"{0}\", which cannot be read: there is no such file.")]
    [InlineData("bad.jinja", "{% if %}", "is \"{0}\", which cannot be used: ")]
    public void A_chat_template_that_cannot_be_used_is_named_by_its_own_key(string name, string? template, string expected)
    {
        if (template is not null)
        {
            File.WriteAllText(folder.File(name), template);
        }

        ConfigError error = Assert.Single(Check("good.jsonl", ("model.chat.chat_template_path", folder.File(name))).Errors);
        Assert.Equal("model.chat.chat_template_path", error.Key);
        Assert.StartsWith(string.Format(System.Globalization.CultureInfo.InvariantCulture, expected, folder.File(name)), error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_reads_rows_in_any_form_and_refuses_others_by_name()
    {
        File.WriteAllText(folder.File("rows.csv"), "prompt,answer\n1+1=,2\n");
        File.WriteAllText(folder.File("rows.json"), $"[{Good}]");
        using (var packed = new GZipStream(File.Create(folder.File("rows.jsonl.gz")), CompressionLevel.Fastest))
        {
            packed.Write("{\"prompt\":\"1+1=\"}\n"u8);
        }

        Assert.All(["rows.csv", "rows.json", "rows.jsonl.gz"], file => Assert.Equal(1, Check(file).PlanOrThrow().Identity.Phases[0].Data.Rows));
        File.WriteAllText(folder.File("rows.arrow"), "ARROW1");
        Assert.Contains("which is an Arrow file, which is not read", Assert.Single(Check("rows.arrow").Errors).Problem, StringComparison.Ordinal);
        Assert.Contains("which is a folder", Assert.Single(Check("model").Errors).Problem, StringComparison.Ordinal);
        Assert.Contains("which cannot be read: there is no such file.", Assert.Single(Check("absent.jsonl").Errors).Problem, StringComparison.Ordinal);
    }

    private PlanResult Check(string data, params (string Key, string Value)[] sets)
    {
        File.WriteAllText(folder.File("run.json"), $$"""
            {
              "model": { "path": "model" },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "{{data}}", "steps": 1, "groups_per_step": 1, "num_generations": 2, "max_completion_length": 4 } ],
              "rewards": [ { "kind": "length", "settings": { "target": 3 } } ]
            }
            """);
        return GrpoRun.Check(folder.File("run.json"), new GrpoRunSettings { Overrides = sets });
    }
}
