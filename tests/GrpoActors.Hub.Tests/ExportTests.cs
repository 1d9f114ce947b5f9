using GrpoActors.Journal.Tests;
using System.Text.Json;
using GrpoActors.Actors;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Exports;
using GrpoActors.Text;
using Xunit;

namespace GrpoActors.Hub.Tests;

public sealed class ExportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama", true, WeightType.F32)]
    [InlineData("llama", false, WeightType.BF16)]
    [InlineData("qwen2", true, WeightType.F16)]
    [InlineData("qwen3", false, WeightType.BF16)]
    [InlineData("mistral", true, WeightType.F32)]
    public void Loading_and_exporting_gives_the_same_tensor_bytes(string modelType, bool tied, WeightType type)
    {
        string model = TinyModelFolder.Create(folder.File("model"), type: type, modelType: modelType, tied: tied);
        ModelExport.FromModel(model, folder.File("out"), new ExportOptions(type));
        Assert.Equal(StructuralCheck.Tensors(model), StructuralCheck.Tensors(folder.File("out")));
    }

    [Theory]
    [InlineData("llama", true)]
    [InlineData("llama", false)]
    [InlineData("qwen2", true)]
    [InlineData("qwen3", false)]
    [InlineData("mistral", true)]
    public void A_model_reloads_with_the_same_log_probs_to_the_bit(string modelType, bool tied)
    {
        string model = TinyModelFolder.Create(folder.File("model"), modelType: modelType, tied: tied);
        ModelExport.FromModel(model, folder.File("out"), new ExportOptions());
        Assert.Equal(LogProbs(model), LogProbs(folder.File("out")));
    }

    [Fact]
    public void Shards_hold_what_one_file_holds_and_reload()
    {
        string model = TinyModelFolder.Create(folder.File("model"));
        ExportedModel shards = ModelExport.FromModel(model, folder.File("out"), new ExportOptions(ShardBytesMax: 3000));
        Assert.Contains("model.safetensors.index.json", shards.Files);
        Assert.True(shards.Files.Count(file => file.EndsWith(".safetensors", StringComparison.Ordinal)) > 2);
        Assert.Equal(StructuralCheck.Tensors(model), StructuralCheck.Tensors(folder.File("out")));
        using PretrainedModel original = PretrainedModel.Open(model), reloaded = PretrainedModel.Open(folder.File("out"));
        Assert.Equal(original.Weights.Policy, reloaded.Weights.Policy);
    }

    [Fact]
    public void Tokenizer_files_are_copied_byte_for_byte_and_the_configuration_names_the_type()
    {
        string model = TinyModelFolder.Create(folder.File("model"));
        ModelExport.FromModel(model, folder.File("out"), new ExportOptions(WeightType.BF16));
        foreach (string file in new[] { "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja" })
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(model, file)), File.ReadAllBytes(folder.File($"out/{file}")));
        }

        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(folder.File("out/config.json")));
        Assert.Equal("bfloat16", config.RootElement.GetProperty("dtype").GetString());
        Assert.Equal("llama", config.RootElement.GetProperty("model_type").GetString());
    }

    [Fact]
    public async Task A_trained_run_reloads_with_the_weights_of_its_checkpoint()
    {
        TinyModelFolder.Create(folder.File("model"));
        string run = await Train("\"path\": \"model\"");
        ExportedModel exported = ModelExport.FromRun(run, null, folder.File("out"), new ExportOptions());
        using PretrainedModel reloaded = PretrainedModel.Open(exported.Folder);
        Assert.Equal(2, exported.Step);
        Assert.Equal(exported.WeightsSha256, reloaded.Weights.Policy);
        var store = new CheckpointStore(PhysicalDisk.Instance, Path.Combine(run, "checkpoints"));
        CheckpointManifest newest = ((FoundCheckpoint.Intact)store.Scan().First()).Manifest;
        Assert.Equal(LogProbs(reloaded.Spec, new PolicyWeights(new PolicyVersion(2), newest.Mark.Policy, store.Load(newest).Weights)), LogProbs(exported.Folder));
        Assert.NotEqual(LogProbs(folder.File("model")), LogProbs(exported.Folder));
        string card = File.ReadAllText(Path.Combine(exported.Folder, "README.md"));
        Assert.All(
            [exported.WeightsSha256.ToString(), "rows.jsonl, 2 rows", "| `grad_norm` |", "\"num_generations\": 4", newest.Mark.Chain.ToString()],
            part => Assert.Contains(part, card));
    }

    [Fact]
    public async Task A_run_that_started_at_random_brings_its_tokenizer()
    {
        string run = await Train("""
            "config": { "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8 },
            "tokenizer": { "characters": "0123456789+=", "whole_tokens": ["<think>"] }
            """);
        ExportedModel exported = ModelExport.FromRun(run, 1, folder.File("out"), new ExportOptions());
        using PretrainedModel reloaded = PretrainedModel.Open(exported.Folder);
        Assert.Equal((1, exported.WeightsSha256), (exported.Step, reloaded.Weights.Policy));
        Assert.Equal([3, 5, 14], reloaded.Tokenizer.Encode("<think>1+").Order());
        Assert.Equal([2], reloaded.Spec.EosTokens);
    }

    [Fact]
    public async Task What_cannot_be_exported_is_one_sentence()
    {
        TinyModelFolder.Create(folder.File("model"));
        string run = await Train("\"path\": \"model\"");
        Directory.CreateDirectory(folder.File("full/of"));
        Assert.Contains("no intact checkpoint of step 7; there are 2, 1, 0.", Assert.Throws<InvalidDataException>(() => ModelExport.FromRun(run, 7, folder.File("out"), new ExportOptions())).Message);
        Assert.Contains("is there already", Assert.Throws<InvalidDataException>(() => ModelExport.FromRun(run, null, folder.File("full"), new ExportOptions())).Message);
        Assert.Contains("there is no plan.json", Assert.Throws<InvalidDataException>(() => ModelExport.FromRun(folder.File("full"), null, folder.File("out"), new ExportOptions())).Message);
        File.AppendAllText(folder.File("model/tokenizer.json"), " ");
        Assert.Contains("is not the tokenizer that the run started with", Assert.Throws<InvalidDataException>(() => ModelExport.FromRun(run, null, folder.File("out"), new ExportOptions())).Message);
        Directory.Delete(folder.File("model"), recursive: true);
        Assert.Contains("name the folder with --model", Assert.Throws<InvalidDataException>(() => ModelExport.FromRun(run, null, folder.File("out"), new ExportOptions())).Message);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    private async Task<string> Train(string model)
    {
        File.WriteAllText(folder.File("rows.jsonl"), "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n{\"prompt\":\"1+2=\",\"answer\":\"3\"}\n");
        File.WriteAllText(folder.File("run.json"), $$"""
            {
              "model": { {{model}} },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 2, "groups_per_step": 2, "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2 } ],
              "rewards": [ { "kind": "length", "settings": { "target": 3 } } ],
              "save_steps": 1, "threads": 1,
            }
            """);
        using GrpoRun run = GrpoRun.Open(folder.File("run.json"), new GrpoRunSettings { Overrides = [("run_dir", folder.File("run"))] });
        await foreach (var _ in run.TrainAsync())
        {
            // to the end
        }

        return folder.File("run");
    }

    private static float[] LogProbs(string model)
    {
        using PretrainedModel opened = PretrainedModel.Open(model);
        return LogProbs(opened.Spec, opened.Weights);
    }

    private static float[] LogProbs(ModelSpec spec, PolicyWeights weights)
    {
        using IEngine engine = new CpuEngineProvider().Open(spec, new EngineOptions(1, 256));
        using ITrainer trainer = engine.OpenTrainer(weights);
        var batch = new PackedBatch([.. Enumerable.Range(3, 9)], [0, 9], [2]);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        trainer.Forward(batch, 1, keepForBackward: false, scores);
        return scores.LogProbs;
    }
}
