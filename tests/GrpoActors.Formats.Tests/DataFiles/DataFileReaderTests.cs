using System.IO.Compression;
using System.Text;
using System.Text.Json;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Jsonl;
using Parquet.Schema;
using Parquet.Serialization;

namespace GrpoActors.Formats.Tests.DataFiles;

public sealed class DataFileReaderTests
{
    private const string Jsonl = "{\"prompt\":\"1+1=\",\"answer\":2}\n\n{\"prompt\":\"2+2=\",\"answer\":\"4\"}\n";
    private const string Array = "\uFEFF[\n  {\"prompt\": \"1+1=\", \"answer\": 2},\n  {\n    \"prompt\": \"2+2=\", \"answer\": \"4\" }\n]\n";
    private const string Csv = "prompt,answer,why\r\n1+1=,2,\r\n\r\n\"2+2=\",4,\"he said \"\"two, and\ntwo\"\"\"\r\n";

    [Theory]
    [InlineData("rows.jsonl", Jsonl, 1, 3)]
    [InlineData("rows.json", Jsonl, 1, 3)]
    [InlineData("rows.data", Jsonl, 1, 3)]
    [InlineData("rows.json", Array, 2, 3)]
    [InlineData("rows.jsonl", Array, 2, 3)]
    [InlineData("ROWS.CSV", Csv, 2, 4)]
    [InlineData("rows.tsv", "prompt\tanswer\n1+1=\t2\n2+2=\t4", 2, 3)]
    public void The_name_and_the_first_character_say_the_form_and_rows_keep_their_lines(string name, string text, long first, long second)
    {
        (long, string?, string?)[] expected = [(first, "1+1=", "2"), (second, "2+2=", "4")];
        Assert.Equal(expected, Read(name, Encoding.UTF8.GetBytes(text)));
        Assert.Equal(expected, Read(name + ".gz", Packed(text)));
    }

    [Fact]
    public void A_quoted_cell_holds_separators_quotes_and_line_breaks_and_an_empty_one_is_no_value()
    {
        JsonlRow[] rows = [.. DataFileReader.Read(new MemoryStream(Encoding.UTF8.GetBytes(Csv)), "rows.csv")];
        Assert.Equal("he said \"two, and\ntwo\"", rows[1].Columns["why"].GetString());
        Assert.False(rows[0].Columns.ContainsKey("why"));
    }

    [Fact]
    public async Task A_parquet_file_gives_its_rows_with_lists_of_messages_and_row_numbers()
    {
        var schema = new ParquetSchema(
            new DataField<string>("answer", nullable: true),
            new ListField("prompt", new StructField("element", new DataField<string>("role"), new DataField<string>("content"))));
        using var file = new MemoryStream();
        await ParquetSerializer.SerializeUntypedAsync([Row("2", "1+1="), Row(null, "2+2=")], schema, file);
        file.Position = 0;
        JsonlRow[] rows = [.. DataFileReader.Read(file, "rows.parquet")];
        Assert.Equal([(1L, "2", "1+1="), (2L, null, "2+2=")], rows.Select(row => (row.Line, row.Answer, row.Messages!.Value[0].GetProperty("content").GetString())));
        file.Position = 0;
        Assert.StartsWith("rows.parquet, row 1: ", Assert.Throws<JsonlFormatException>(() => DataFileReader.Read(file, "rows.parquet", new JsonlColumns(Prompt: "question")).Count()).Message);

        static Dictionary<string, object?> Row(string? answer, string content) => new()
        {
            ["answer"] = answer,
            ["prompt"] = new List<Dictionary<string, object>> { new() { ["role"] = "user", ["content"] = content } },
        };
    }

    [Theory]
    [InlineData("rows.arrow", "is an Arrow file")]
    [InlineData("rows.jsonl.zst", "is compressed with Zstandard")]
    [InlineData("rows.tar.gz", "unpack it (gunzip)")]
    [InlineData("rows.parquet.gz", "unpack it (gunzip)")]
    [InlineData("rows.xlsx", "save it as .csv")]
    [InlineData("rows.txt", "has no columns")]
    [InlineData("rows.parquet", "cannot be read as that")]
    [InlineData("rows.jsonl.gz", "is no whole gzip file")]
    public void A_form_that_is_not_read_is_refused_by_name(string name, string expected)
    {
        string message = Assert.Throws<DataFileException>(() => Read(name, Encoding.UTF8.GetBytes(Jsonl))).Message;
        Assert.StartsWith(name + " is ", message);
        Assert.Contains(expected, message);
    }

    [Fact]
    public void A_gzip_file_that_was_cut_anywhere_is_told_even_between_rows()
    {
        byte[] one = Packed(Jsonl), two = Packed("prompt,answer\n" + string.Concat(Enumerable.Range(0, 200).Select(static i => $"{i}+{i}=,{2 * i}\n")));
        foreach ((string name, byte[] whole) in new[] { ("rows.jsonl.gz", one), ("rows.csv.gz", two) })
        {
            for (int length = 1; length < whole.Length; length++)
            {
                Assert.Contains("is no whole gzip file", Assert.Throws<DataFileException>(() => Read(name, whole[..length])).Message);
            }
        }
    }

    [Fact]
    public void A_gzip_file_of_several_members_is_read_whole()
    {
        string many = string.Concat(Enumerable.Repeat(Jsonl + "\n", 20_000));
        Assert.Equal(Read("rows.jsonl", Encoding.UTF8.GetBytes(many + Jsonl)).Length, Read("rows.jsonl.gz", [.. Packed(many), .. Packed(Jsonl)]).Length);
    }

    [Theory]
    [InlineData("rows.json", "[{\"prompt\":\"a\"},\n 3]", "line 2: expected a JSON object, found 3")]
    [InlineData("rows.json", "[{\"prompt\":\"a\"},\n {\"prompt\":\"\\ud800\"}]", "line 2: broken JSON")]
    [InlineData("rows.json", "[{\"prompt\":\"a\"},\n", "line 2: broken JSON at byte 1: it ends in the middle of a value")]
    [InlineData("rows.json", "[{\"prompt\":\"a\"},\n]", "line 2: broken JSON at byte 1: a comma stands before the closing bracket")]
    [InlineData("rows.json", "[{\"prompt\":\"a\"}]\n{}", "line 2: broken JSON at byte 1: '{' stands behind the end of the value")]
    [InlineData("rows.jsonl", "{\"prompt\":\"a\"", "line 1: broken JSON at byte 14: it ends before every bracket is closed")]
    [InlineData("rows.csv", "prompt,answer\na,1\nb", "line 3: expected 2 cells, as the header has, found 1")]
    [InlineData("rows.csv", "prompt,answer\na,\"1\nb", "line 2: a quoted cell has no end")]
    [InlineData("rows.csv", "prompt,prompt\na,b", "line 1: names the column 'prompt' twice")]
    [InlineData("rows.csv", "prompt,\na,b", "line 1: expected names of columns, found an empty one")]
    public void A_wrong_row_is_named_by_the_line_that_it_begins_in(string name, string text, string expected) =>
        Assert.StartsWith($"{name}, {expected}", Assert.Throws<JsonlFormatException>(() => Read(name, Encoding.UTF8.GetBytes(text))).Message);

    [Fact]
    public void Bytes_that_are_no_UTF_8_are_named() =>
        Assert.Contains("rows.csv is not in UTF-8", Assert.Throws<DataFileException>(() => Read("rows.csv", [.. "prompt\na"u8, 0xC3, .. "\n"u8])).Message);

    [Fact]
    public void A_row_is_given_before_the_next_one_is_written()
    {
        using var typed = new TypedStream(["{\"a\":1}\n", "{\"a\":2}\n"]);
        using IEnumerator<(long Line, JsonElement Row)> rows = DataFileReader.Objects(typed, "stdin").GetEnumerator();
        Assert.True(rows.MoveNext());
        Assert.Equal(1, typed.Asked);
    }

    private static (long, string?, string?)[] Read(string name, byte[] bytes) =>
        [.. DataFileReader.Read(new MemoryStream(bytes), name).Select(row => (row.Line, row.Prompt, row.Answer))];

    private static byte[] Packed(string text)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write(Encoding.UTF8.GetBytes(text));
        }

        return packed.ToArray();
    }

    /// <summary>Gives a text each time it is asked, as a terminal does.</summary>
    private sealed class TypedStream(string[] texts) : MemoryStream
    {
        public int Asked { get; private set; }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer) => Asked < texts.Length ? Encoding.UTF8.GetBytes(texts[Asked++], buffer) : 0;
    }
}
