using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>Tokens that stand only in the files beside tokenizer.json.</summary>
public sealed class DeclaredTokensTests : IDisposable
{
    private const string Small = """
        {"added_tokens":[{"id":4,"content":"<eos>","special":true}],"pre_tokenizer":null,"post_processor":null,"decoder":{"type":"ByteLevel"},
         "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"<b>":3,"<":5,">":6},"merges":[["a","b"]]}}
        """;

    private readonly string folder = Directory.CreateTempSubdirectory("grpo-declared-").FullName;

    public DeclaredTokensTests() => Write("tokenizer.json", Small);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("tokenizer_config.json", """{"added_tokens_decoder":{"7":{"content":"<|new|>","special":true},"4":{"content":"<eos>","special":true}}}""")]
    [InlineData("tokenizer_config.json", """{"additional_special_tokens":["<|new|>"]}""")]
    [InlineData("tokenizer_config.json", """{"extra_special_tokens":{"image_token":"<|new|>"}}""")]
    [InlineData("tokenizer_config.json", """{"extra_special_tokens":["<|new|>"],"pad_token":null}""")]
    [InlineData("tokenizer_config.json", """{"pad_token":{"content":"<|new|>","lstrip":false},"eos_token":"<eos>"}""")]
    [InlineData("special_tokens_map.json", """{"additional_special_tokens":[{"content":"<|new|>"}]}""")]
    [InlineData("special_tokens_map.json", """{"mask_token":"<|new|>"}""")]
    public void A_token_that_only_a_file_beside_knows_is_one_token_with_the_next_free_id(string file, string json)
    {
        Write(file, json);
        ITokenizer tokenizer = Tokenizers.Load(folder);
        Assert.Equal([0, 7, 2], tokenizer.Encode("a<|new|>ab"));
        Assert.Equal("aab", tokenizer.Decode([0, 7, 2], skipSpecialTokens: true));
        Assert.Equal(8, tokenizer.VocabularySize);
        Assert.Equal("<|new|>", Assert.Single(tokenizer.AddedTokens, token => token.Declared).Content);
    }

    [Fact]
    public void Tokens_of_old_folders_stand_in_added_tokens_and_are_text()
    {
        Write("added_tokens.json", """{"<y>":8,"<x>":7}""");
        ITokenizer tokenizer = Tokenizers.Load(folder);
        Assert.Equal([7, 8], tokenizer.Encode("<x><y>"));
        Assert.Equal("<x>", tokenizer.Decode([7], skipSpecialTokens: true));
    }

    [Fact]
    public void A_special_token_of_the_vocabulary_is_cut_out_whole_and_keeps_its_id()
    {
        Assert.NotEqual([3], Tokenizers.Load(folder).Encode("<b>"));
        Write("tokenizer_config.json", """{"bos_token":"<b>"}""");
        ITokenizer tokenizer = Tokenizers.Load(folder);
        Assert.Equal([3, 0], tokenizer.Encode("<b>a"));
        Assert.Equal(7, tokenizer.VocabularySize);
    }

    [Fact]
    public void What_tokenizer_json_says_of_a_token_holds()
    {
        Write("tokenizer_config.json", """{"added_tokens_decoder":{"4":{"content":"<eos>","special":false,"lstrip":true}}}""");
        Assert.Equal(new AddedToken(4, "<eos>", Special: true), Assert.Single(Tokenizers.Load(folder).AddedTokens));
    }

    [Theory]
    [InlineData("""{"added_tokens_decoder":{"9":{"content":"<|new|>"}}}""", "added_tokens_decoder['9'] gives the token '<|new|>' the id 9, and after tokenizer.json it gets 7")]
    [InlineData("""{"added_tokens_decoder":{"4":{"content":"<|new|>"}}}""", "gives the token '<|new|>' the id 4, and after tokenizer.json it gets 7")]
    [InlineData("""{"added_tokens_decoder":{"x":{"content":"<|new|>"}}}""", "added_tokens_decoder['x'] stands under no token id")]
    [InlineData("""{"additional_special_tokens":"<|new|>"}""", "additional_special_tokens is a string, where an array was expected")]
    [InlineData("""{"bos_token":3}""", "bos_token is a number, where an object was expected")]
    [InlineData("[]", "the file is an array, where an object was expected")]
    [InlineData("{", "is no valid JSON at line 1")]
    public void A_file_beside_that_cannot_be_used_is_named(string json, string says)
    {
        Write("tokenizer_config.json", json);
        string message = Assert.Throws<TokenizerFormatException>(() => Tokenizers.Load(folder)).Message;
        Assert.StartsWith(Path.Combine(folder, "tokenizer_config.json"), message);
        Assert.Contains(says, message);
    }

    [Fact]
    public void A_Git_LFS_pointer_in_the_place_of_the_tokenizer_is_called_one()
    {
        Write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:35dc41\nsize 446564\n");
        Assert.Contains("is a Git LFS pointer", Assert.Throws<TokenizerFormatException>(() => Tokenizers.Load(folder)).Message);
    }

    private void Write(string name, string json) => File.WriteAllText(Path.Combine(folder, name), json);
}
