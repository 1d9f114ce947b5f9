using System.CommandLine;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Jsonl;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Hub;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Cli.Models;

/// <summary>A command that reads a data file row by row and writes one JSON object for each, as soon as it is known.</summary>
internal sealed class RowFile
{
    public const string StandardInput = "-";

    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public Argument<string> Argument { get; } = new("FILE") { Description = "A data file, such as jsonl; - reads stdin." };

    /// <summary>The rows, one at a time.</summary>
    /// <exception cref="JsonlFormatException">While reading: a row is no JSON object.</exception>
    public IEnumerable<Row> Rows(ParseResult parsed)
    {
        string path = parsed.GetRequiredValue(Argument);
        using Stream stream = path == StandardInput ? StandardStreams.OpenInput() : File.OpenRead(path);
        foreach ((long line, JsonElement json) in DataFileReader.Objects(stream, path == StandardInput ? "stdin" : path))
        {
            yield return new Row(path == StandardInput ? "stdin" : path, line, json);
        }
    }

    public static void Write(TextWriter to, Action<Utf8JsonWriter> properties)
    {
        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line, Readable))
        {
            json.WriteStartObject();
            properties(json);
            json.WriteEndObject();
        }

        to.WriteLine(Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length));
    }

    /// <summary>Runs a command over files of the user: what is wrong with them is their mistake, in one sentence.</summary>
    /// <exception cref="MistakeException">A file is missing or cannot be used.</exception>
    public static int Guard(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (Exception wrong) when (wrong is HuggingFaceFormatException or UnsupportedModelException or TokenizerFormatException or SafetensorsFormatException or TemplateException
            or InvalidDataException or FormatException)
        {
            throw new MistakeException(wrong.Message);
        }
        catch (Exception unreadable) when (unreadable is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw new MistakeException(DiskFailure.Sentence(unreadable));
        }
    }
}

/// <summary>One row of a jsonl file.</summary>
internal readonly record struct Row(string File, long Line, JsonElement Json)
{
    /// <summary>Null where the column is absent or null.</summary>
    public JsonElement? this[string column] => Json.TryGetProperty(column, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string? Text(string column) => this[column] switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { } other => throw Wrong($"'{column}': expected a text, found {Shown(other)}"),
    };

    public bool Flag(string column) => this[column] switch
    {
        null or { ValueKind: JsonValueKind.False } => false,
        { ValueKind: JsonValueKind.True } => true,
        { } other => throw Wrong($"'{column}': expected true or false, found {Shown(other)}"),
    };

    /// <summary>A list of token ids below <paramref name="idsMax"/>; null where the column is absent.</summary>
    public int[]? Ids(string column, int idsMax)
    {
        if (this[column] is not { } list)
        {
            return null;
        }

        if (list.ValueKind != JsonValueKind.Array)
        {
            throw Wrong($"'{column}': expected a list of token ids, found {Shown(list)}");
        }

        int[] ids = new int[list.GetArrayLength()];
        int at = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            ids[at++] = item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id >= 0 && id < idsMax
                ? id
                : throw Wrong($"'{column}': expected token ids from 0 to {idsMax - 1}, found {Shown(item)}");
        }

        return ids;
    }

    /// <summary>A conversation; null where the column is absent.</summary>
    public JsonElement? Messages(string column = "messages") => this[column] switch
    {
        null => null,
        { ValueKind: JsonValueKind.Array } list => list,
        { } other => throw Wrong($"'{column}': expected a list of messages, found {Shown(other)}"),
    };

    /// <summary>The messages, or a prompt that is a list of them, as TRL has it; null where there is neither.</summary>
    public JsonElement? Conversation() => Messages() ?? (this["prompt"] is { ValueKind: JsonValueKind.Array } turns ? turns : null);

    /// <summary>What the chat template reads beside the messages: tools, documents, chat_template_kwargs, and variables, which yield to them.</summary>
    public TemplateColumns Template()
    {
        Row row = this;
        try
        {
            return this["variables"] is { ValueKind: not JsonValueKind.Object }
                ? throw Wrong("'variables': expected an object")
                : TemplateColumns.Of(name => row[name], this["variables"]);
        }
        catch (InvalidDataException wrong)
        {
            throw Wrong(wrong.Message);
        }
    }

    public JsonlFormatException Wrong(string problem) => new(File, Line, problem.TrimEnd('.'));

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 80 ? text : text[..80] + "…";
    }
}
