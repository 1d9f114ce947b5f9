using System.Text;
using System.Text.Json;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Formats.Tests.Jsonl;

public sealed class JsonlReaderTests
{
    [Fact]
    public void Columns_are_told_apart_and_further_ones_kept()
    {
        JsonlRow row = Read("""{"prompt":"2+2=","answer":4,"completion":"4","level":3,"tags":["a"]}""").Single();
        Assert.Equal(("2+2=", "4", "4", 1L), (row.Prompt, row.Answer, row.Completion, row.Line));
        Assert.Null(row.Messages);
        Assert.Equal(["level", "tags"], row.Columns.Keys);
        Assert.Equal(3, row.Columns["level"].GetInt32());
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"hi"}]}""")]
    [InlineData("""{"prompt":[{"role":"user","content":"hi"}],"messages":null}""")]
    public void Conversations_stand_under_messages_or_as_in_TRL_under_prompt(string line)
    {
        JsonlRow row = Read(line).Single();
        Assert.Null(row.Prompt);
        Assert.Equal("hi", row.Messages!.Value[0].GetProperty("content").GetString());
    }

    [Fact]
    public void Columns_can_have_other_names()
    {
        JsonlRow row = Read("""{"question":"q","answer":"a"}""", new JsonlColumns(Prompt: "question")).Single();
        Assert.Equal(("q", "a"), (row.Prompt, row.Answer));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void Lines_are_numbered_as_in_an_editor(string newline)
    {
        string text = "\uFEFF" + string.Join(newline, """{"prompt":"a"}""", "", "  ", """{"prompt":"b"}""", """{"prompt":"c"}""");
        Assert.Equal([(1L, "a"), (4L, "b"), (5L, "c")], Read(text).Select(row => (row.Line, row.Prompt!)));
        Assert.Equal(3, Read(text + newline).Count());
        Assert.Empty(Read(""));
    }

    [Fact]
    public void Lines_longer_than_the_buffer_are_whole()
    {
        string[] prompts = [new('a', 300_000), "b", new('c', 65_536), new('d', 65_500)];
        Assert.Equal(prompts, Read(string.Join('\n', prompts.Select(prompt => $$"""{"prompt":"{{prompt}}"}"""))).Select(row => row.Prompt));
    }

    [Theory]
    [InlineData("""{"prompt":}""", "broken JSON at byte 11")]
    [InlineData("""{"prompt":"a","prompt":"b"}""", "broken JSON")]
    [InlineData("[1]", "expected a JSON object, found [1]")]
    [InlineData("""{"answer":"a"}""", "expected one of 'prompt' and 'messages', found neither")]
    [InlineData("""{"prompt":"a","messages":[{"role":"user"}]}""", "found both")]
    [InlineData("""{"prompt":3}""", "'prompt': expected text, found 3")]
    [InlineData("""{"prompt":"a","answer":[1]}""", "'answer': expected text or a number, found [1]")]
    [InlineData("""{"prompt":"\ud800"}""", "half of a surrogate pair")]
    [InlineData("""{"prompt":"a","\ud800":1}""", "half of a surrogate pair")]
    [InlineData("""{"prompt":"a","answer":"\udc00"}""", "half of a surrogate pair")]
    [InlineData("""{"messages":[]}""", "at least one message")]
    [InlineData("""{"messages":["hi"]}""", "expected objects with a text 'role', found \"hi\"")]
    public void A_wrong_row_is_named_by_file_and_line(string line, string expected)
    {
        var refusal = Assert.Throws<JsonlFormatException>(() => Read("{\"prompt\":\"good\"}\n\n" + line).Count());
        Assert.StartsWith("data.jsonl, line 3: ", refusal.Message);
        Assert.Contains(expected, refusal.Message);
    }

    [Fact]
    public void Bytes_that_are_no_UTF_8_are_named()
    {
        byte[] bytes = [.. "{\"prompt\":\""u8, 0xC3, .. "\"}"u8];
        Assert.Contains("line 1: broken JSON: expected UTF-8", Assert.Throws<JsonlFormatException>(() => DataFileReader.Read(new MemoryStream(bytes), "f").Count()).Message);
    }

    [Fact]
    public void A_line_without_end_takes_bounded_memory()
    {
        using var endless = new EndlessStream();
        Assert.Contains("expected at most", Assert.Throws<JsonlFormatException>(() => DataFileReader.Read(endless, "f").Count()).Message);
    }

    [Theory]
    [InlineData("""{"prompt":"a"}""", "found none")]
    [InlineData("""{"prompt":"a","completion":""}""", "found an empty one")]
    public void A_worked_example_needs_its_completion(string line, string expected) =>
        Assert.Contains(expected, Assert.Throws<JsonlFormatException>(() => Read(line, new JsonlColumns(CompletionNeeded: true)).Count()).Message);

    [Fact]
    public void Written_lines_are_read_back_and_what_is_no_number_is_null()
    {
        var stream = new MemoryStream();
        var writer = new JsonlWriter(stream);
        writer.Write(json => json.WriteString("prompt", "ä \"x\"\n"));
        writer.Write(json =>
        {
            json.WriteString("prompt", "b");
            json.WriteFinite("kl", double.NaN);
            json.WriteFinite("reward", 0.1);
        });
        Assert.Equal(2, Encoding.UTF8.GetString(stream.ToArray()).Count(c => c == '\n'));
        stream.Position = 0;
        JsonlRow[] rows = [.. DataFileReader.Read(stream, "f")];
        Assert.Equal("ä \"x\"\n", rows[0].Prompt);
        Assert.Equal(JsonValueKind.Null, rows[1].Columns["kl"].ValueKind);
        Assert.Equal(0.1, rows[1].Columns["reward"].GetDouble());
    }

    private static IEnumerable<JsonlRow> Read(string text, JsonlColumns? columns = null) =>
        DataFileReader.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), "data.jsonl", columns);

    private sealed class EndlessStream : MemoryStream
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            Array.Fill(buffer, (byte)'x', offset, count);
            return count;
        }
    }
}
