using System.Text.Json;
using GrpoActors.Formats.Jsonl;
using Parquet;
using Parquet.Serialization;

namespace GrpoActors.Formats.DataFiles;

/// <summary>The rows of a Parquet file as JSON objects, lists and structs within them included; memory holds one row group at a time.</summary>
internal static class ParquetRows
{
    public static IEnumerable<(long Line, JsonElement Row)> Objects(Stream stream, string file)
    {
        long row = 0;
        int groups = Wait(Groups(stream), file);
        for (int group = 0; group < groups; group++)
        {
            stream.Position = 0;
            foreach (Dictionary<string, object> columns in Wait(ParquetSerializer.DeserializeUntypedAsync(stream, rowGroupIndex: group), file).Data)
            {
                row++;
                yield return (row, Json(columns, file, row));
            }
        }
    }

    private static async Task<int> Groups(Stream stream)
    {
        await using ParquetReader reader = await ParquetReader.CreateAsync(stream, leaveStreamOpen: true).ConfigureAwait(false);
        return reader.RowGroupCount;
    }

    private static JsonElement Json(Dictionary<string, object> columns, string file, long row)
    {
        try
        {
            return JsonSerializer.SerializeToElement(columns);
        }
        catch (Exception strange) when (strange is NotSupportedException or ArgumentException)
        {
            throw new JsonlFormatException(file, row, "has a value that JSON has no form for, such as a number that is not finite");
        }
    }

    // The rows are pulled, and a file answers at once: there is nothing to wait for elsewhere.
    private static T Wait<T>(Task<T> read, string file)
    {
        try
        {
            return read.GetAwaiter().GetResult();
        }
        catch (Exception damaged) when (damaged is not (OutOfMemoryException or UnauthorizedAccessException))
        {
            throw new DataFileException(file, "is named .parquet and cannot be read as that: fetch it again, or save it with the usual encodings as .jsonl", damaged);
        }
    }
}
