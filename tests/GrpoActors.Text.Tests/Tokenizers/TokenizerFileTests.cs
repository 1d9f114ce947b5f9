using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace GrpoActors.Text.Tests;

/// <summary>Damaged files: one sentence each, never a crash.</summary>
public class TokenizerFileTests
{
    private const string Small = """
        {"version":"1.0","added_tokens":[{"id":4,"content":"<eos>","special":true}],"normalizer":null,
         "pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\s+"},"behavior":"Isolated","invert":false},
         "post_processor":null,"decoder":{"type":"ByteLevel"},
         "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":[["a","b"]]}}
        """;

    [Theory]
    [InlineData("model.merges", """[["a","x"]]""", "model.merges[0] needs the token 'x', which is not in the vocabulary")]
    [InlineData("model.merges", """[["b","c"]]""", "model.merges[0] needs the token 'bc', which is not in the vocabulary")]
    [InlineData("model.merges", """["ab"]""", "model.merges[0] is \"ab\", where two tokens were expected")]
    [InlineData("model.merges", """[3]""", "model.merges[0] is 3, where two tokens were expected")]
    [InlineData("model.merges", "null", "model.merges is null, where an array was expected")]
    [InlineData("model.vocab", "7", "model.vocab is a number, where an object was expected")]
    [InlineData("model.vocab", """{"a":"0"}""", "model.vocab gives the token 'a' the id \"0\", which is no whole number")]
    [InlineData("model.vocab", """{"a":-1}""", "model.vocab['a'] is -1, where an id from 0 to 16777215 was expected")]
    [InlineData("model.vocab", """{"a":2000000000}""", "model.vocab['a'] is 2000000000, where an id from 0 to 16777215 was expected")]
    [InlineData("model.vocab", """{"a":0,"b":0}""", "model.vocab gives the id 0 to two tokens, 'a' and 'b'")]
    [InlineData("model.vocab", """{"a":0,"a":1}""", "model.vocab holds the token 'a' twice")]
    [InlineData("model.type", "\"Unigram\"", "model is a model of type 'Unigram', which is not supported; supported are BPE")]
    [InlineData("model.dropout", "0.1", "model.dropout is 0.1; dropout makes encoding random")]
    [InlineData("model.unk_token", "\"?\"", "model.unk_token is '?', which is not in the vocabulary")]
    [InlineData("model.byte_fallback", "1", "model.byte_fallback is a number, where true or false was expected")]
    [InlineData("model", "null", "model is null, where an object was expected")]
    [InlineData("normalizer", """{"type":"Nmt"}""", "normalizer is a normalizer of type 'Nmt', which is not supported; supported are NFC,")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Precompiled"}]}""", "normalizer.normalizers[1] is a normalizer of type 'Precompiled'")]
    [InlineData("pre_tokenizer", """{"type":"UnicodeScripts"}""", "pre_tokenizer is a pre-tokenizer of type 'UnicodeScripts'")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"}""", "pre_tokenizer.pattern.Regex cannot be used: the pattern (a has a '(' that is never closed")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{},"behavior":"Isolated"}""", "pre_tokenizer.pattern has neither String nor Regex")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"String":"a"},"behavior":"Shuffled"}""", "pre_tokenizer.behavior is 'Shuffled', where one of Removed,")]
    [InlineData("decoder", """{"type":"CTC"}""", "decoder is a decoder of type 'CTC'")]
    [InlineData("decoder", """{}""", "decoder.type is missing, where a string was expected")]
    [InlineData("post_processor", """{"type":"Magic"}""", "post_processor is a post-processor of type 'Magic'")]
    [InlineData("post_processor", """{"type":"BertProcessing","sep":["x",99],"cls":["a",0]}""", "post_processor adds the id 99, which no token has")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{}}],"special_tokens":{}}""", "names the special token '<s>', which special_tokens lacks")]
    [InlineData("added_tokens", """[{"id":0,"content":"<eos>"}]""", "model.vocab gives the id 0 to two tokens, 'a' and '<eos>'")]
    [InlineData("added_tokens", """[{"id":9,"content":"a"}]""", "model.vocab gives the token 'a' the id 0, but added_tokens gives it 9")]
    [InlineData("added_tokens", """[{"id":5,"content":"x"},{"id":5,"content":"y"}]""", "added_tokens gives the id 5 to two tokens, 'x' and 'y'")]
    [InlineData("added_tokens", """[{"content":"x"}]""", "added_tokens[0].id is missing, where a number was expected")]
    [InlineData("added_tokens", """[{"id":5,"content":"\ud83d"}]""", "added_tokens[0].content holds half a surrogate pair")]
    public void A_wrong_part_is_named(string path, string value, string said)
    {
        string file = With(path, value);
        string message = Assert.Throws<TokenizerFormatException>(() => Tokenizers.Parse(Encoding.UTF8.GetBytes(file), "some/tokenizer.json")).Message;
        Assert.StartsWith("some/tokenizer.json: ", message, StringComparison.Ordinal);
        Assert.Contains(said, message);
    }

    [Theory]
    [InlineData("", "no valid JSON at line 1")]
    [InlineData("{\"model\":\n{\"type\":", "no valid JSON at line 2")]
    [InlineData("[1]", "the file is an array, where an object was expected")]
    [InlineData("null", "the file is null, where an object was expected")]
    public void A_file_that_is_no_tokenizer_is_named(string content, string said) =>
        Assert.Contains(said, Assert.Throws<TokenizerFormatException>(() => Tokenizers.Parse(Encoding.UTF8.GetBytes(content))).Message);

    [Fact]
    public void An_absent_file_is_named_with_its_place()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        Assert.Contains(Path.Combine(folder, "tokenizer.json"), Assert.Throws<FileNotFoundException>(() => Tokenizers.Load(folder)).Message);
        Directory.Delete(folder);
    }

    [Fact]
    public void Any_cut_or_changed_byte_loads_or_gives_a_sentence()
    {
        byte[] whole = Encoding.UTF8.GetBytes(Small);
        var damage = from at in Gen.Choose(0, whole.Length - 1) from value in Gen.Choose(0, 255) from cut in Gen.Elements(true, false) select (at, value, cut);
        Check.One(Cases.Of(2000), Prop.ForAll(damage.ToArbitrary(), change =>
        {
            byte[] damaged = change.cut ? whole[..change.at] : [.. whole];
            if (!change.cut)
            {
                damaged[change.at] = (byte)change.value;
            }

            try
            {
                var tokenizer = Tokenizers.Parse(damaged);
                tokenizer.Decode(tokenizer.Encode("ab c <eos>"));
                return true;
            }
            catch (TokenizerFormatException)
            {
                return true;
            }
        }));
    }

    [Fact]
    public void Ids_without_a_token_decode_to_nothing_and_are_no_token()
    {
        var tokenizer = Tokenizers.Parse(Encoding.UTF8.GetBytes(Small));
        Assert.Equal("ab", tokenizer.Decode([2, 77, -1]));
        Assert.Null(tokenizer.Token(77));
        Assert.Null(tokenizer.TokenId("zz"));
        Assert.Equal(5, tokenizer.VocabularySize);
    }

    [Theory]
    [InlineData("x")]
    [InlineData(" ")]
    [InlineData("!?")]
    [InlineData(" \n")]
    [InlineData("😀")]
    [InlineData("a\u0301\u0323")]
    public void A_hundred_kilobytes_without_a_word_boundary_are_encoded_whole(string unit)
    {
        var tokenizer = PublishedTokenizers.Load("smollm2");
        string text = string.Concat(Enumerable.Repeat(unit, 100_000 / unit.Length));
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
    }

    [Fact]
    public void Threads_may_share_a_tokenizer()
    {
        var tokenizer = PublishedTokenizers.Load("smollm2");
        string[] texts = [.. Enumerable.Range(0, 500).Select(i => $"Natalia sold {i}/2 = {i / 2} clips in May, <|im_end|> and {i} more 😀.")];
        int[][] alone = [.. texts.Select(text => tokenizer.Encode(text))];
        var shared = new int[texts.Length][];
        Parallel.For(0, texts.Length, i => shared[i] = tokenizer.Encode(texts[i]));
        Assert.Equal(alone, shared);
    }

    private static string With(string path, string value)
    {
        // Spliced as text where a parser would refuse or mend what the test wants to show (twice the same key, half a pair).
        var json = JsonNode.Parse(Small)!.AsObject();
        var keys = path.Split('.');
        JsonNode parent = keys.Length == 1 ? json : json[keys[0]]!;
        parent[keys[^1]] = "SPLICE";
        return json.ToJsonString().Replace("\"SPLICE\"", value, StringComparison.Ordinal);
    }
}
