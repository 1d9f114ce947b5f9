using GrpoActors.Actors;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Hub;
using GrpoActors.Hub.Export;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Exports;
using Xunit;

namespace GrpoActors.Runtime.Tests.Exports;

public sealed class RunExportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_trained_run_reloads_with_the_weights_of_its_checkpoint()
    {
        TinyModelFolder.Create(folder.File("model"));
        string run = await Train("\"path\": \"model\"");
        ExportedModel exported = RunExport.FromRun(run, null, folder.File("out"), new ExportOptions());
        using PretrainedModel reloaded = PretrainedModel.Open(exported.Folder);
        Assert.Equal(2, exported.Step);
        Assert.Equal(exported.WeightsSha256, reloaded.Weights.Policy);
        var store = new CheckpointStore(PhysicalDisk.Instance, Path.Combine(run, "checkpoints"));
        CheckpointManifest newest = ((FoundCheckpoint.Intact)store.Scan().First()).Manifest;
        var weights = new PolicyWeights(new PolicyVersion(2), newest.Mark.Policy, store.Load(newest).Weights);
        Assert.Equal(TinyLogProbs.Of(reloaded.Spec, weights), TinyLogProbs.Of(exported.Folder));
        Assert.NotEqual(TinyLogProbs.Of(folder.File("model")), TinyLogProbs.Of(exported.Folder));
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
        ExportedModel exported = RunExport.FromRun(run, 1, folder.File("out"), new ExportOptions());
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
        Assert.Contains("no intact checkpoint of step 7; there are 2, 1, 0.", Refused(run, 7, "out"));
        Assert.Contains("is there already", Refused(run, null, "full"));
        Assert.Contains("there is no plan.json", Refused(folder.File("full"), null, "out"));
        File.AppendAllText(folder.File("model/tokenizer.json"), " ");
        Assert.Contains("is not the tokenizer that the run started with", Refused(run, null, "out"));
        Directory.Delete(folder.File("model"), recursive: true);
        Assert.Contains("name the folder with --model", Refused(run, null, "out"));
        Assert.False(Directory.Exists(folder.File("out")));
    }

    private string Refused(string run, long? step, string to) =>
        Assert.Throws<InvalidDataException>(() => RunExport.FromRun(run, step, folder.File(to), new ExportOptions())).Message;

    private async Task<string> Train(string model)
    {
        File.WriteAllText(folder.File("rows.jsonl"), "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n{\"prompt\":\"1+2=\",\"answer\":\"3\"}\n");
        File.WriteAllText(folder.File("run.json"), $$"""
            {
              "model": { {{model}} },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 2, "groups_per_step": 2,
                "num_generations": 4, "max_completion_length": 6, "learning_rate": 1e-2 } ],
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
}
