using System.Text.Json;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Formats.DataFiles;

/// <summary>The rows of a data file, in the form that its name says: the one place that decides it.</summary>
/// <remarks>
/// <c>.csv</c> and <c>.tsv</c> with a header, <c>.parquet</c>; any other name that is not refused: one JSON object a line, or one JSON array of objects. <c>.gz</c> behind
/// the name: compressed. Rows are numbered by the line that they begin in, in a Parquet file by their order, from 1.
/// </remarks>
public static class DataFileReader
{
    private const string ToJsonl = "load it with the tool that wrote it and save it as .jsonl, for example datasets.load_dataset(...).to_json(\"rows.jsonl\")";

    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        [".zst"] = "is compressed with Zstandard, which is not read: unpack it (zstd -d), or compress it with gzip",
        [".bz2"] = "is compressed with bzip2, which is not read: unpack it (bunzip2), or compress it with gzip",
        [".xz"] = "is compressed with xz, which is not read: unpack it (unxz), or compress it with gzip",
        [".zip"] = "is a ZIP archive, which is not read: unpack it and name the file in it",
        [".tar"] = "is a tar archive, which is not read: unpack it and name the file in it",
        [".tgz"] = "is a tar archive, which is not read: unpack it and name the file in it",
        [".arrow"] = $"is an Arrow file, which is not read: {ToJsonl}",
        [".feather"] = $"is a Feather file, which is not read: {ToJsonl}",
        [".orc"] = $"is an ORC file, which is not read: {ToJsonl}",
        [".avro"] = $"is an Avro file, which is not read: {ToJsonl}",
        [".pkl"] = $"is a Python pickle, which is not read: {ToJsonl}",
        [".pickle"] = $"is a Python pickle, which is not read: {ToJsonl}",
        [".xls"] = "is a spreadsheet, which is not read: save it as .csv",
        [".xlsx"] = "is a spreadsheet, which is not read: save it as .csv",
        [".ods"] = "is a spreadsheet, which is not read: save it as .csv",
        [".yaml"] = "is YAML, which is not read: write one JSON object a line, as .jsonl",
        [".yml"] = "is YAML, which is not read: write one JSON object a line, as .jsonl",
        [".txt"] = "is plain text, which has no columns: write one JSON object a line, such as {\"prompt\": \"...\"}, as .jsonl",
    };

    /// <summary>Rows of prompts, conversations or worked examples.</summary>
    /// <exception cref="DataFileException">While reading: the file is of a form that is not read, or damaged as a whole.</exception>
    /// <exception cref="JsonlFormatException">While reading: a row is wrong.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IEnumerable<JsonlRow> Read(string path, JsonlColumns? columns = null) =>
        Objects(path).Select(row => JsonlRow.Of(path, row.Line, row.Row, columns ?? JsonlColumns.Usual));

    /// <param name="stream">Left open.</param>
    /// <param name="file">Its name says the form; messages call it that.</param>
    /// <inheritdoc cref="Read(string, JsonlColumns?)" path="/exception"/>
    public static IEnumerable<JsonlRow> Read(Stream stream, string file, JsonlColumns? columns = null) =>
        Objects(stream, file).Select(row => JsonlRow.Of(file, row.Line, row.Row, columns ?? JsonlColumns.Usual));

    /// <summary>Rows of any columns, as JSON objects.</summary>
    /// <inheritdoc cref="Read(string, JsonlColumns?)" path="/exception"/>
    public static IEnumerable<(long Line, JsonElement Row)> Objects(string path)
    {
        if (Directory.Exists(path))
        {
            throw new DataFileException(path, "is a folder: name a file in it, such as train.jsonl or a .parquet file");
        }

        using FileStream file = File.OpenRead(path);
        foreach ((long, JsonElement) row in Objects(file, path))
        {
            yield return row;
        }
    }

    /// <param name="stream">Left open.</param>
    /// <param name="file">Its name says the form; messages call it that.</param>
    /// <inheritdoc cref="Read(string, JsonlColumns?)" path="/exception"/>
    public static IEnumerable<(long Line, JsonElement Row)> Objects(Stream stream, string file)
    {
        string extension = Path.GetExtension(file).ToLowerInvariant();
        return extension == ".gz"
            ? Unpacked(stream, file)
            : Refused.TryGetValue(extension, out string? why) ? throw new DataFileException(file, why) : Plain(stream, file, extension);
    }

    private static IEnumerable<(long Line, JsonElement Row)> Plain(Stream stream, string file, string extension) => extension switch
    {
        ".csv" => CsvReader.Objects(stream, file, ','),
        ".tsv" => CsvReader.Objects(stream, file, '\t'),
        ".parquet" => ParquetRows.Objects(stream, file),
        _ => JsonObjects(stream, file),
    };

    private static IEnumerable<(long Line, JsonElement Row)> Unpacked(Stream stream, string file)
    {
        using var unpacked = new WholeGZipStream(stream);
        string inner = Path.GetFileNameWithoutExtension(file), extension = Path.GetExtension(inner).ToLowerInvariant();
        if (extension == ".parquet" || Refused.ContainsKey(extension))
        {
            throw new DataFileException(file, "is compressed: unpack it (gunzip) and name the file in it");
        }

        using IEnumerator<(long, JsonElement)> rows = Plain(unpacked, file, extension).GetEnumerator();
        while (MoveNext(rows, file))
        {
            yield return rows.Current;
        }
    }

    private static bool MoveNext(IEnumerator<(long, JsonElement)> rows, string file)
    {
        try
        {
            return rows.MoveNext();
        }
        catch (InvalidDataException damaged)
        {
            throw new DataFileException(file, "is named .gz and is no whole gzip file: fetch it again, or take .gz from its name if it is not compressed", damaged);
        }
    }

    // One object a line, or one array: the first character says which.
    private static IEnumerable<(long Line, JsonElement Row)> JsonObjects(Stream stream, string file)
    {
        byte[] head = new byte[1 << 12];
        ReadOnlyMemory<byte> begun = default;
        bool more = true;
        while (more && begun.Length < head.Length && Written(begun).IsEmpty) // no further: what is typed, or comes through a pipe, is answered line by line
        {
            int read = stream.Read(head, begun.Length, head.Length - begun.Length);
            begun = head.AsMemory(0, begun.Length + read);
            more = read > 0;
        }

        foreach ((long, JsonElement) row in Written(begun) is [(byte)'[', ..] ? JsonArrayReader.Objects(begun, stream, file) : JsonlReader.Objects(begun, stream, file))
        {
            yield return row;
        }
    }

    private static ReadOnlySpan<byte> Written(ReadOnlyMemory<byte> utf8) => utf8.Span.TrimStart("\uFEFF \t\r\n"u8);
}

/// <summary>A data file as a whole cannot be used. The message is one sentence: file, what it is, what to do.</summary>
public sealed class DataFileException(string file, string problem, Exception? cause = null) : FormatException($"{file} {problem}.", cause)
{
    /// <summary>Continues the file's name: "is a ZIP archive, which is not read: unpack it and name the file in it".</summary>
    public string Problem { get; } = problem;
}
