using System.Text;
using Xunit;

namespace GrpoActors.Text.Tests;

public class CharacterTokenizerTests
{
    private static readonly CharacterTokenizer Arithmetic =
        CharacterTokenizer.Create("0123456789+-*= \n😀", ["<pad>", "<bos>", "<eos>"], ["<think>", "</think>"]);

    [Fact]
    public void Whole_tokens_come_first_then_the_characters_in_order()
    {
        Assert.Equal([3, 5 + 1, 5 + 10, 5 + 2, 4, 2], Arithmetic.Encode("<think>1+2</think><eos>"));
        Assert.Equal(5 + 17, Arithmetic.VocabularySize);
        Assert.Equal(["<pad>", "<bos>", "<eos>", "<think>", "</think>"], Arithmetic.AddedTokens.Select(token => token.Content));
    }

    [Fact]
    public void Skipping_special_tokens_keeps_tags() =>
        Assert.Equal("<think>1</think>", Arithmetic.Decode(Arithmetic.Encode("<bos><think>1</think><eos>"), skipSpecialTokens: true));

    [Fact]
    public void A_character_outside_the_basic_plane_is_one_token()
    {
        Assert.Single(Arithmetic.Encode("😀"));
        Assert.Equal("😀", Arithmetic.Decode(Arithmetic.Encode("😀")));
    }

    [Theory]
    [InlineData("1+x", "'x' (U+0078) at position 2")]
    [InlineData("😀😁", "'😁' (U+1F601) at position 2")]
    [InlineData("1\t", "U+0009 at position 1")]
    public void An_unknown_character_is_named_with_its_position(string text, string named) =>
        Assert.Contains(named, Assert.Throws<UnknownCharacterException>(() => Arithmetic.Encode(text)).Message);

    [Fact]
    public void Saving_and_loading_gives_the_same_tokenizer()
    {
        var loaded = Assert.IsType<CharacterTokenizer>(Tokenizers.Parse(Encoding.UTF8.GetBytes(Arithmetic.ToJson())));
        Assert.Equal(Arithmetic.ToJson(), loaded.ToJson());
        Assert.Equal(Arithmetic.Encode("<think>12*3</think>"), loaded.Encode("<think>12*3</think>"));
    }

    // Lone surrogates stand in facts: xunit hands theory data over as UTF-8, which has none.
    [Fact]
    public void A_lone_surrogate_is_an_unknown_character() =>
        Assert.Contains("U+D83D at position 1", Assert.Throws<UnknownCharacterException>(() => Arithmetic.Encode("1\uD83D")).Message);

    [Fact]
    public void An_alphabet_with_a_character_twice_is_refused() =>
        Assert.Contains("'1'", Assert.Throws<ArgumentException>(() => CharacterTokenizer.Create("11", [])).Message);

    [Fact]
    public void An_alphabet_with_half_a_pair_is_refused() =>
        Assert.Contains("half a surrogate pair", Assert.Throws<ArgumentException>(() => CharacterTokenizer.Create("a\uD800", [])).Message);
}
