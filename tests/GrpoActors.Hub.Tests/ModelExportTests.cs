using System.Text.Json;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub.Export;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Hub.Tests;

public sealed class ModelExportTests : IDisposable
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

    [Fact]
    public void A_tied_head_that_is_not_the_embedding_is_refused_not_dropped()
    {
        string model = TinyModelFolder.Create(folder.File("model"), tied: false);
        string config = File.ReadAllText(Path.Combine(model, "config.json"));
        File.WriteAllText(Path.Combine(model, "config.json"), config.Replace("\"tie_word_embeddings\":false", "\"tie_word_embeddings\":true"));
        string message = Assert.Throws<SafetensorsFormatException>(() => ModelExport.FromModel(model, folder.File("out"), new ExportOptions())).Message;
        Assert.Contains("'lm_head.weight' is not the embedding, and config.json ties the two (tie_word_embeddings true); set it to false", message);
        Assert.False(Directory.Exists(folder.File("out")));
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
        Assert.Equal(TinyLogProbs.Of(model), TinyLogProbs.Of(folder.File("out")));
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
    public void A_folder_that_is_not_empty_is_left_as_it_is()
    {
        string model = TinyModelFolder.Create(folder.File("model"));
        Directory.CreateDirectory(folder.File("full/of"));
        Assert.Contains(
            "full: is there already; name a folder that is not, or an empty one.",
            Assert.Throws<InvalidDataException>(() => ModelExport.FromModel(model, folder.File("full"), new ExportOptions())).Message);
        Assert.Equal([folder.File("full/of")], Directory.EnumerateFileSystemEntries(folder.File("full")));
    }

    [Fact]
    public void An_export_that_fails_leaves_no_folder_of_that_name()
    {
        string model = TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("template.jinja"), "own");
        using PretrainedModel opened = PretrainedModel.Open(model);
        var content = new ModelContent(
            opened.Weights.Tensors, opened.Weights.Policy, 3, File.ReadAllText(folder.File("model/config.json")), new TokenizerSource.FromFolder(model),
            folder.File("template.jinja"), "card");
        ModelContent unreadable = content with { ChatTemplatePath = folder.File("none.jinja") };
        Assert.Throws<StorageException>(() => ModelFolderWriter.Write(folder.File("out"), unreadable, new ExportOptions()));
        Assert.False(Directory.Exists(folder.File("out")));

        ExportedModel whole = ModelFolderWriter.Write(folder.File("out"), content, new ExportOptions());
        Assert.Equal((3, opened.Weights.Policy), (whole.Step, whole.WeightsSha256));
        Assert.Equal(("own", "card"), (File.ReadAllText(folder.File("out/chat_template.jinja")), File.ReadAllText(folder.File("out/README.md"))));
        Assert.False(Directory.Exists(folder.File("out.part")));
    }
}
