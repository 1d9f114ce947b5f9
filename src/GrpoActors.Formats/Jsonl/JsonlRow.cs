using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Formats.Jsonl;

/// <summary>One row of a data file. Exactly one of <paramref name="Prompt"/> and <paramref name="Messages"/> is there.</summary>
/// <param name="Line">In the file, from 1.</param>
/// <param name="Messages">The conversation before the answer, as in the file: a list of objects with a role.</param>
/// <param name="Completion">The worked answer of a supervised example.</param>
/// <param name="Answer">What rewards compare with; a number in the file is taken as its digits.</param>
/// <param name="Columns">All further columns, for rewards.</param>
public sealed record JsonlRow(
    long Line, string? Prompt, JsonElement? Messages, string? Completion, string? Answer, ImmutableSortedDictionary<string, JsonElement> Columns);

/// <summary>What the columns of a data file are called.</summary>
/// <param name="CompletionNeeded">Rows are worked examples: each must have its completion.</param>
public sealed record JsonlColumns(string Prompt = "prompt", string Messages = "messages", string Completion = "completion", string Answer = "answer", bool CompletionNeeded = false);

/// <summary>A row cannot be used. The message is one sentence: file, line, what was expected, what was found.</summary>
public sealed class JsonlFormatException : FormatException
{
    public JsonlFormatException(string file, long line, string problem)
        : base($"{file}, line {line}: {problem}.") => Line = line;

    public long Line { get; }
}
