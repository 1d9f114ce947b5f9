using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using GrpoActors.Hub.Tests;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>Model folders that go in and come out: what is wrong with one is a sentence, what was trained reloads to the bit.</summary>
public sealed class ModelFolderTests : IDisposable
{
    private const string Row = """{"messages":[{"role":"user","content":"1+1="}],"completion":"2"}""";

    /// <summary>256 MiB of managed memory, far below what the hostile ones ask for: a process that took it would end otherwise than with a sentence.</summary>
    private static readonly (string, string) LittleMemory = ("DOTNET_GCHeapHardLimit", "0x10000000");

    private readonly Scratch scratch = new();

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData("truncated", "within the")]
    [InlineData("empty", "0 bytes")]
    [InlineData("endless header", "header")]
    [InlineData("overlap", "inside another tensor")]
    [InlineData("key twice", "twice")]
    [InlineData("NaN", "NaN")]
    [InlineData("absent", "safetensors")]
    [InlineData("tokenizer", "the embedding may have more rows, never fewer")]
    [InlineData("endless template", "Chat template, line 1")]
    [InlineData("greedy template", "Chat template, line 1")]
    [InlineData("architecture", "mamba")]
    [InlineData("rope", "yarn")]
    public void A_damaged_folder_is_one_sentence_in_little_memory(string damage, string says)
    {
        string model = TinyModelFolder.Create(scratch["model"]);
        Damage(model, damage);
        Finished finished = Grpo.Run(["logprobs", model, Write("rows.jsonl", Row)], LittleMemory);
        Assert.True(finished.ExitCode is 1 or 2, $"{finished.ExitCode}: {finished.Error}");
        Assert.True(finished.Error.Contains(says, StringComparison.Ordinal), finished.Error);
        Assert.DoesNotContain("   at ", finished.Error, StringComparison.Ordinal);
        Assert.Single(finished.Error.Trim().Split('\n'));
    }

    [Fact]
    public void A_whole_folder_is_read_in_the_same_memory()
    {
        Finished finished = Grpo.Run(["logprobs", TinyModelFolder.Create(scratch["model"]), Write("rows.jsonl", Row)], LittleMemory);
        Assert.Equal((0, ""), (finished.ExitCode, finished.Error));
    }

    [SmolLM2Fact]
    public void A_trained_SmolLM2_leaves_as_a_folder_that_reloads_with_the_same_log_probs_to_the_bit()
    {
        string[] little =
        [
            "--set", "model.path=" + SmolLM2.Folder, "--set", "phases.grpo.data=" + Write("questions.jsonl", """{"question":"What is 1+1?","answer":"#### 2"}"""),
            "--set", "phases.grpo.steps=1", "--set", "phases.grpo.groups_per_step=1", "--set", "phases.grpo.num_generations=2", "--set", "phases.grpo.max_completion_length=6",
            "--set", """rewards=[{"kind":"regex_format","settings":{"pattern":".*e.*"}}]""", // parts the two completions, so that there is a gradient
        ];
        Finished trained = Grpo.Run(["train", Path.Combine(Grpo.Root, "recipes", "gsm8k.json"), "--run-dir", scratch["run"], "--json", .. little]);
        Assert.True(trained.ExitCode == 0, trained.Error);
        string rows = Write("rows.jsonl", """{"prompt":"1 + 1 =","completion":" 2, and 2 + 2 = 4."}""");
        string weights = Export(scratch["run"], scratch["out"]), before = LogProbs(SmolLM2.Folder!, rows), after = LogProbs(scratch["out"], rows);
        Assert.NotEqual(before, after);
        Assert.Equal(Grpo.LastObject(trained.Output).GetProperty("weightsSha256").GetString(), weights);

        // What was loaded from the folder has the run's hash, and leaves again as the same tensors.
        Assert.Equal(weights, Export(scratch["out"], scratch["again"]));
        Assert.Equal(after, LogProbs(scratch["again"], rows));
        Assert.Equal(StructuralCheck.Tensors(scratch["out"]), StructuralCheck.Tensors(scratch["again"]));
    }

    private static string Export(string from, string to)
    {
        Finished exported = Grpo.Run(["export", from, to]);
        Assert.True(exported.ExitCode == 0, exported.Error);
        return Regex.Match(exported.Output, "weights (?<hash>[0-9a-f]{64})", RegexOptions.None, Regex.InfiniteMatchTimeout).Groups["hash"].Value;
    }

    private static string LogProbs(string model, string rows)
    {
        Finished scored = Grpo.Run(["logprobs", model, rows]);
        Assert.True(scored.ExitCode == 0, scored.Error);
        return scored.Output;
    }

    private string Write(string name, string line)
    {
        File.WriteAllText(scratch[name], line + "\n");
        return scratch[name];
    }

    private static void Damage(string model, string damage)
    {
        string weights = Path.Combine(model, "model.safetensors"), config = Path.Combine(model, "config.json"), template = Path.Combine(model, "chat_template.jinja");
        byte[] bytes = File.ReadAllBytes(weights);
        switch (damage)
        {
            case "truncated":
                File.WriteAllBytes(weights, bytes[..^100]);
                break;
            case "empty":
                File.WriteAllBytes(weights, []);
                break;
            case "endless header":
                BinaryPrimitives.WriteInt64LittleEndian(bytes, long.MaxValue);
                File.WriteAllBytes(weights, bytes);
                break;
            case "overlap":
                ChangeHeader(weights, header => Regex.Replace(header, "(?<=model\\.norm\\.weight.{1,80}data_offsets\":)\\[[0-9]+,[0-9]+\\]", "[0,64]", RegexOptions.None, Regex.InfiniteMatchTimeout));
                break;
            case "key twice":
                ChangeHeader(weights, header => header.Replace("{\"model.norm.weight", "{\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"model.norm.weight", StringComparison.Ordinal)
                    .Replace(",\"model.norm.weight", ",\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"model.norm.weight", StringComparison.Ordinal));
                break;
            case "NaN":
                BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(^4), float.NaN);
                File.WriteAllBytes(weights, bytes);
                break;
            case "absent":
                File.Delete(weights);
                break;
            case "tokenizer":
                File.WriteAllText(config, Regex.Replace(File.ReadAllText(config), "\"vocab_size\":[0-9]+", "\"vocab_size\":7", RegexOptions.None, Regex.InfiniteMatchTimeout));
                break;
            case "endless template":
                File.WriteAllText(template, "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}");
                break;
            case "greedy template":
                File.WriteAllText(template, "{% set n = namespace(x='0123456789') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}");
                break;
            case "architecture":
                File.WriteAllText(config, File.ReadAllText(config).Replace("\"model_type\":\"llama\"", "\"model_type\":\"mamba\"", StringComparison.Ordinal));
                break;
            case "rope":
                File.WriteAllText(config, File.ReadAllText(config).Replace("\"model_type\"", "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0},\"model_type\"", StringComparison.Ordinal));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(damage), damage, "No such damage.");
        }
    }

    /// <summary>The header with a part of it changed, its length and its padding made right again.</summary>
    private static void ChangeHeader(string weights, Func<string, string> change)
    {
        byte[] bytes = File.ReadAllBytes(weights);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        string before = Encoding.UTF8.GetString(bytes, 8, length), changed = change(before);
        Assert.NotEqual(before, changed);
        byte[] header = Encoding.UTF8.GetBytes(changed.TrimEnd().PadRight((changed.TrimEnd().Length + 7) / 8 * 8));
        byte[] written = [.. new byte[8], .. header, .. bytes.AsSpan(8 + length)];
        BinaryPrimitives.WriteInt64LittleEndian(written, header.Length);
        File.WriteAllBytes(weights, written);
    }
}
