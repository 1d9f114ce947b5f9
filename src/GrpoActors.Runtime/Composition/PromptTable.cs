using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core;
using GrpoActors.Core.Prompts;
using GrpoActors.Core.Runs;
using GrpoActors.Engine.Training;

namespace GrpoActors.Runtime.Composition;

/// <summary>The rows of a data file, tokenised.</summary>
public sealed class PromptTable(IReadOnlyList<PromptRow> rows)
{
    public IReadOnlyList<PromptRow> Rows => rows;

    public int[] Prompt(long row) => rows[(int)row].PromptTokens;

    /// <summary>The worked examples of an sft step: ordinals from FirstExample on, each epoch in an order of its own.</summary>
    public IReadOnlyList<WorkedExample> Examples(ulong seed, StepInputs inputs)
    {
        var examples = new WorkedExample[inputs.Examples];
        for (int i = 0; i < examples.Length; i++)
        {
            long row = PromptOrder.RowAt(new SeedTree(seed), inputs.Phase, GroupStream.Primary, inputs.FirstExample + i, rows.Count);
            PromptRow example = rows[(int)row];
            examples[i] = new WorkedExample([.. example.PromptTokens, .. example.CompletionTokens], example.PromptTokens.Length);
        }

        return examples;
    }
}

/// <param name="CompletionTokens">Of a worked example, with its end-of-sequence token; empty for a prompt.</param>
/// <param name="Columns">All columns of the row, handed to rewards.</param>
public sealed record PromptRow(string Prompt, int[] PromptTokens, int[] CompletionTokens, string? Answer, ImmutableSortedDictionary<string, JsonElement> Columns);
