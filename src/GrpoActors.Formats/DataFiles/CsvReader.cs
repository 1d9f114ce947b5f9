using System.Text;
using System.Text.Json;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Formats.DataFiles;

/// <summary>Separated values with a header (RFC 4180), in UTF-8: each row as an object of texts; an empty cell is no value.</summary>
internal static class CsvReader
{
    private const int CellCharactersMax = JsonlReader.LineBytesMax;

    public static IEnumerable<(long Line, JsonElement Row)> Objects(Stream stream, string file, char separator)
    {
        string[]? header = null;
        foreach ((long line, List<string> cells) in Records(stream, file, separator))
        {
            if (header is null)
            {
                header = Header(cells, file, line);
                continue;
            }

            if (cells.Count != header.Length)
            {
                throw new JsonlFormatException(file, line, $"expected {header.Length} cells, as the header has, found {cells.Count}");
            }

            yield return (line, JsonSerializer.SerializeToElement(
                header.Zip(cells).Where(cell => cell.Second.Length > 0).ToDictionary(cell => cell.First, cell => cell.Second, StringComparer.Ordinal)));
        }
    }

    private static string[] Header(List<string> cells, string file, long line)
    {
        string? wrong = cells.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Key.Length == 0 || group.Count() > 1)?.Key;
        return wrong is null ? [.. cells] : throw new JsonlFormatException(file, line, wrong.Length == 0 ? "expected names of columns, found an empty one" : $"names the column '{wrong}' twice");
    }

    /// <summary>Rows that are not empty, with the line that each begins in. A quoted cell may hold separators, line breaks and, doubled, quotes.</summary>
    private static IEnumerable<(long Line, List<string> Cells)> Records(Stream stream, string file, char separator)
    {
        using var text = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, bufferSize: -1, leaveOpen: true);
        var cells = new List<string>();
        var cell = new StringBuilder();
        long line = 1, begin = 1;
        bool isQuoted = false;
        for (int next = Next(text, file); ; next = Next(text, file))
        {
            if (isQuoted && next >= 0)
            {
                if (next == '"' && text.Peek() == '"')
                {
                    _ = text.Read();
                    cell.Append('"');
                }
                else if (next == '"')
                {
                    isQuoted = false;
                }
                else
                {
                    line += next == '\n' ? 1 : 0;
                    cell.Append((char)next);
                }
            }
            else if (isQuoted)
            {
                throw new JsonlFormatException(file, begin, "a quoted cell has no end");
            }
            else if (next == '"' && cell.Length == 0)
            {
                isQuoted = true;
            }
            else if (next == separator)
            {
                Take();
            }
            else if (next is '\n' or -1)
            {
                Take();
                if (cells is not [""])
                {
                    yield return (begin, cells);
                }

                if (next < 0)
                {
                    yield break;
                }

                cells = [];
                begin = ++line;
            }
            else if (next != '\r' || text.Peek() is not ('\n' or -1))
            {
                cell.Append((char)next);
            }

            if (cell.Length > CellCharactersMax)
            {
                throw new JsonlFormatException(file, begin, $"expected cells of at most {CellCharactersMax} characters, found a longer one");
            }
        }

        void Take()
        {
            cells.Add(cell.ToString());
            cell.Clear();
        }
    }

    private static int Next(StreamReader text, string file)
    {
        try
        {
            return text.Read();
        }
        catch (DecoderFallbackException)
        {
            throw new DataFileException(file, "is not in UTF-8: save it in that encoding");
        }
    }
}
