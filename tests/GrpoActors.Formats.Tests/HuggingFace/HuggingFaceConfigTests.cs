using GrpoActors.Formats.HuggingFace;

namespace GrpoActors.Formats.Tests.HuggingFace;

public sealed class HuggingFaceConfigTests : IDisposable
{
    private const string Small = """ "model_type": "llama", "vocab_size": 257, "hidden_size": 48, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 6, "max_position_embeddings": 256""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Absent_keys_have_the_defaults_of_transformers()
    {
        HuggingFaceConfig config = Parse("");
        Assert.Equal(6, config.NumKeyValueHeads);
        Assert.Equal(8, config.HeadDim);
        Assert.Equal(1e-6, config.RmsNormEps);
        Assert.Equal("silu", config.HiddenAct);
        Assert.False(config.TieWordEmbeddings);
        Assert.Equal(0.02, config.InitializerRange);
        Assert.Equal((10_000.0, "default", 1.0), (config.Rope.Theta, config.Rope.Type, config.Rope.Factor));
        Assert.Null(config.SlidingWindow);
        Assert.Null(config.AttentionBias);
        Assert.Empty(config.EosTokenIds);
        Assert.Empty(config.UnknownKeys);
    }

    [Theory]
    [InlineData("""
        , "rope_theta": 500000, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}
        """)]
    [InlineData("""
        , "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}
        """)]
    [InlineData("""
        , "rope_parameters": {"rope_theta": 500000, "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}
        """)]
    public void Old_and_new_forms_of_rope_say_the_same(string rope)
    {
        RopeParameters read = Parse(rope).Rope;
        Assert.Equal((500_000.0, "llama3", 8.0, 1.0, 4.0, 64), (read.Theta, read.Type, read.Factor, read.LowFreqFactor!.Value, read.HighFreqFactor!.Value, read.OriginalMaxPositionEmbeddings));
        Assert.Empty(read.UnknownKeys);
    }

    [Fact]
    public void Every_end_id_of_either_config_counts_those_of_generation_first()
    {
        _folder.Write("config.json", $$"""{ {{Small}}, "eos_token_id": 2 }""");
        Assert.Equal([2], HuggingFaceConfig.Read(_folder.Path).EosTokenIds.AsEnumerable());
        _folder.Write("generation_config.json", """{"eos_token_id": [128001, 128009]}""");
        Assert.Equal([128001, 128009, 2], HuggingFaceConfig.Read(_folder.Path).EosTokenIds.AsEnumerable());
        _folder.Write("generation_config.json", """{"eos_token_id": null}""");
        Assert.Equal([2], HuggingFaceConfig.Read(_folder.Path).EosTokenIds.AsEnumerable());
    }

    [Fact]
    public void A_sliding_window_that_is_switched_off_is_none()
    {
        Assert.Equal(4096, Parse(""", "sliding_window": 4096""").SlidingWindow);
        Assert.Null(Parse(""", "sliding_window": 4096, "use_sliding_window": false""").SlidingWindow);
    }

    [Fact]
    public void Keys_that_nobody_knows_are_kept_by_name_and_harmless_ones_are_not()
    {
        HuggingFaceConfig config = Parse(""", "use_cache": true, "transformers_version": "4.0", "pretraining_tp": 1, "nothing": null, "quantization_config": {"bits": 4}, "rope_interleaved": true""");
        Assert.Equal(["quantization_config", "rope_interleaved"], config.UnknownKeys.Keys);
    }

    /// <summary>Keys that published folders of these families hold.</summary>
    [Theory]
    [InlineData(""" "use_mrope": false, "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28 """)]
    [InlineData(""" "unsloth_fixed": true, "unsloth_version": "2025.1.5", "_attn_implementation_autoset": true, "torch_dtype": "bfloat16" """)]
    [InlineData(""" "is_llama_config": true, "rope_interleaved": false, "pretraining_tp": 1, "transformers.js_config": {"dtype": "q4"}, "resid_pdrop": 0.0 """)]
    [InlineData(""" "_commit_hash": "abc", "auto_map": {"AutoModel": "m.M"}, "neftune_noise_alpha": 5, "partial_rotary_factor": 1.0, "cache_implementation": "hybrid", "pruned_heads": {} """)]
    [InlineData(""" "num_beams": 1, "repetition_penalty": 1.1, "bad_words_ids": [[3]], "max_new_tokens": 20, "rope_parameters": {"rope_theta": 10000, "partial_rotary_factor": 1.0} """)]
    public void Keys_of_published_models_that_change_nothing_are_taken(string keys) => Assert.Empty(Parse($", {keys}").UnknownKeys);

    [Fact]
    public void The_same_keys_with_a_meaning_stay_unknown() =>
        Assert.Equal(["partial_rotary_factor", "resid_pdrop", "use_mrope"], Parse(""", "use_mrope": true, "resid_pdrop": 0.1, "partial_rotary_factor": 0.5""").UnknownKeys.Keys);

    [Theory]
    [InlineData(""", "head_dim": "8" """, "head_dim: expected a whole number of at least 1, found \"8\"")]
    [InlineData(""", "num_key_value_heads": 4""", "num_key_value_heads: expected a divisor of num_attention_heads (6), found 4")]
    [InlineData(""", "rms_norm_eps": -1""", "rms_norm_eps: expected a finite number of at least 0, found -1")]
    [InlineData(""", "rms_norm_eps": 1e999""", "rms_norm_eps: expected a finite number")]
    [InlineData(""", "tie_word_embeddings": 1""", "tie_word_embeddings: expected true or false, found 1")]
    [InlineData(""", "eos_token_id": [2, -1]""", "eos_token_id: expected a token id or a list of token ids, found [2, -1]")]
    [InlineData(""", "rope_scaling": "linear" """, "rope_scaling: expected an object")]
    [InlineData(""", "rope_scaling": {"type": "linear"}""", "rope_scaling.factor: expected a number, as rope_type is linear, found none")]
    [InlineData(""", "layer_types": ["full_attention"]""", "layer_types: expected one entry for each of num_hidden_layers (3), found 1")]
    [InlineData(""", "vocab_size": 3""", "broken JSON")]
    public void A_wrong_key_is_named_with_what_was_expected_and_found(string keys, string expected)
    {
        var refusal = Assert.Throws<HuggingFaceFormatException>(() => Parse(keys));
        Assert.StartsWith("config.json: ", refusal.Message);
        Assert.Contains(expected, refusal.Message);
    }

    [Fact]
    public void All_that_is_wrong_is_told_at_once()
    {
        var refusal = Assert.Throws<HuggingFaceFormatException>(() => HuggingFaceConfig.Parse("""{"model_type": 3, "hidden_size": 0}"""));
        Assert.Equal(
            ["model_type", "hidden_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings", "vocab_size", "intermediate_size"],
            refusal.Problems.Select(problem => problem.Split(' ')[1].TrimEnd(':')));
    }

    [Theory]
    [InlineData("", "broken JSON")]
    [InlineData("{\"\\ud800\": 1}", "half of a surrogate pair")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "half of a surrogate pair")]
    [InlineData("[1]", "expected a JSON object, found [1]")]
    [InlineData("{\n\"a\": tru\n}", "broken JSON in line 2")]
    public void A_file_that_is_no_object_is_refused(string text, string expected) =>
        Assert.Contains(expected, Assert.Throws<HuggingFaceFormatException>(() => HuggingFaceConfig.Parse(text)).Message);

    [Fact]
    public void A_folder_without_config_is_named() =>
        Assert.Contains("there is no config.json", Assert.Throws<HuggingFaceFormatException>(() => HuggingFaceConfig.Read(_folder.Path)).Message);

    [Fact]
    public void An_adapter_is_called_one_with_its_base_and_what_to_do()
    {
        _folder.Write("adapter_config.json", """{"peft_type":"LORA","base_model_name_or_path":"owner/base"}""");
        string message = Assert.Throws<HuggingFaceFormatException>(() => HuggingFaceConfig.Read(_folder.Path)).Message;
        Assert.Contains("is a PEFT adapter (adapter_config.json) of owner/base, not a model; merge it into its base first (merge_and_unload, then save_pretrained)", message);
    }

    [Fact]
    public void A_Git_LFS_pointer_is_called_one()
    {
        _folder.Write("config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:35dc41\nsize 446564\n");
        Assert.Contains("config.json: it is a Git LFS pointer, not the file itself; run git lfs pull", Assert.Throws<HuggingFaceFormatException>(() => HuggingFaceConfig.Read(_folder.Path)).Message);
    }

    [AssetFact("fixtures/models")]
    public void The_six_tiny_models_leave_no_key_unknown()
    {
        foreach (string folder in Directory.EnumerateDirectories(Assets.Find("fixtures/models")!))
        {
            HuggingFaceConfig config = HuggingFaceConfig.Read(folder);
            Assert.Empty(config.UnknownKeys);
            Assert.Empty(config.Rope.UnknownKeys);
            Assert.Equal([2], config.EosTokenIds.AsEnumerable());
            Assert.Equal(Path.GetFileName(folder) == "qwen3" ? 16 : 8, config.HeadDim);
            Assert.Equal(Path.GetFileName(folder) == "llama3-rope" ? "llama3" : "default", config.Rope.Type);
        }
    }

    private static HuggingFaceConfig Parse(string keys) => HuggingFaceConfig.Parse($"{{{Small}{keys}}}");
}
