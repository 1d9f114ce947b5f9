using System.Text;
using Xunit;

namespace GrpoActors.Text.Tests;

public class EncodedPairTests
{
    // Like Llama's: a blank before the text, <s> first, and some words of several characters, one of which begins with a blank.
    private static readonly ITokenizer SentencePiece = Tokenizers.Parse(Encoding.UTF8.GetBytes("""
        {"added_tokens":[{"id":0,"content":"<s>","special":true},{"id":1,"content":"</s>","special":true}],"normalizer":null,
         "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
         "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[0]}}},
         "decoder":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},
         "model":{"type":"BPE","vocab":{"<s>":0,"</s>":1,"▁":2,"6":3,"8":4,"=":5,"a":6,"b":7,"68":8,"▁a":9,"ab":10,"▁ab":11},"merges":[["6","8"],["▁","a"],["a","b"],["▁a","b"]]}}
        """));

    [Theory]
    [InlineData("6=", "68", new[] { 0, 2, 3, 5 }, new[] { 8 })] // alone, the completion would get a blank of its own: 2, 8
    [InlineData("6=", " a", new[] { 0, 2, 3, 5 }, new[] { 9 })]
    [InlineData("6=", "6</s>", new[] { 0, 2, 3, 5 }, new[] { 3, 1 })]
    [InlineData("6=", "", new[] { 0, 2, 3, 5 }, new int[0])]
    public void A_completion_gets_no_blank_that_its_text_does_not_have(string prompt, string completion, int[] promptIds, int[] completionIds)
    {
        EncodedPair pair = EncodedPair.Of(SentencePiece, prompt, completion, addSpecialTokens: true);
        Assert.Equal(promptIds, pair.Prompt);
        Assert.Equal(completionIds, pair.Completion);
        Assert.False(pair.Crosses);
    }

    [Theory]
    [InlineData("= ", "ab", new[] { 0, 2, 5 }, new[] { 11 })] // the blank at the prompt's end goes into ▁ab
    [InlineData("=6", "8", new[] { 0, 2, 5 }, new[] { 8 })]
    public void A_token_that_reaches_across_the_boundary_is_the_completions(string prompt, string completion, int[] promptIds, int[] completionIds)
    {
        EncodedPair pair = EncodedPair.Of(SentencePiece, prompt, completion, addSpecialTokens: true);
        Assert.Equal(promptIds, pair.Prompt);
        Assert.Equal(completionIds, pair.Completion);
        Assert.True(pair.Crosses);
    }

    [Theory]
    [InlineData("6=", "68")]
    [InlineData("= ", "ab")]
    [InlineData("a b", " ab6 8")]
    [InlineData("", "68")]
    public void The_two_together_are_the_ids_of_the_whole_text(string prompt, string completion)
    {
        EncodedPair pair = EncodedPair.Of(SentencePiece, prompt, completion, addSpecialTokens: true);
        Assert.Equal(SentencePiece.Encode(prompt + completion, addSpecialTokens: true), pair.Prompt.Concat(pair.Completion));
    }

    [Fact]
    public void A_tokenizer_of_characters_encodes_both_as_it_encodes_each_alone()
    {
        var characters = CharacterTokenizer.Create("0123456789+-= ", ["<pad>", "<bos>", "<eos>"], ["<think>"]);
        EncodedPair pair = EncodedPair.Of(characters, "23+45=", "<think>68", addSpecialTokens: true);
        Assert.Equal(characters.Encode("23+45="), pair.Prompt);
        Assert.Equal(characters.Encode("<think>68"), pair.Completion);
    }
}
