namespace GrpoActors.Benchmarks;

/// <summary>A table as Markdown that also reads well as text.</summary>
internal static class MarkdownTable
{
    /// <param name="cells">Lines of as many cells each; the first is the head.</param>
    /// <param name="isText">Columns of text stand to the left, numbers to the right.</param>
    public static void Write(TextWriter to, IReadOnlyList<string[]> cells, Func<int, bool> isText)
    {
        int[] widths = [.. Enumerable.Range(0, cells[0].Length).Select(column => cells.Max(line => line[column].Length))];
        for (int line = 0; line < cells.Count; line++)
        {
            to.WriteLine($"| {string.Join(" | ", cells[line].Select((cell, column) => isText(column) ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column])))} |");
            if (line == 0)
            {
                to.WriteLine($"|{string.Join('|', widths.Select((width, column) => isText(column) ? new string('-', width + 2) : new string('-', width + 1) + ":"))}|");
            }
        }
    }
}
