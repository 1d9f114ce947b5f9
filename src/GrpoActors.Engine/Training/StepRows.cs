using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Learning;

namespace GrpoActors.Engine.Training;

/// <summary>The rows of a step's batch with what is known of each of their tokens. Token arrays hold completion tokens, row after row.</summary>
internal sealed class StepRows
{
    private readonly ImmutableArray<TrainingRow> _rows;
    private readonly int[][] _prompts;

    public StepRows(ImmutableArray<TrainingRow> rows, Func<long, int[]> prompts, double temperature)
    {
        _rows = rows;
        Temperature = temperature;
        _prompts = new int[rows.Length][];
        Starts = new int[rows.Length + 1];
        var groups = new List<int>();
        for (int i = 0; i < rows.Length; i++)
        {
            bool first = i == 0 || rows[i].Id.Group != rows[i - 1].Id.Group;
            if (first)
            {
                groups.Add(i);
            }

            _prompts[i] = first ? prompts(rows[i].Row) : _prompts[i - 1];
            Starts[i + 1] = Starts[i] + rows[i].Completion.Tokens.Length;
        }

        groups.Add(rows.Length);
        GroupStarts = [.. groups];
    }

    public int Count => _rows.Length;

    public double Temperature { get; }

    /// <summary>Completion tokens of all rows.</summary>
    public int Tokens => Starts[^1];

    /// <summary>Shape [rows + 1].</summary>
    public int[] Starts { get; }

    /// <summary>Shape [groups + 1]: first row of each group.</summary>
    public int[] GroupStarts { get; }

    /// <summary>Shape [Tokens], or null where the objective needs none.</summary>
    public float[]? Reference { get; set; }

    /// <summary>Log-probs under the weights that the step starts from; shape [Tokens], or null where the objective needs none.</summary>
    public float[]? Proximal { get; set; }

    /// <summary>Prompt and completion together.</summary>
    public int Length(int row) => _prompts[row].Length + _rows[row].Completion.Tokens.Length;

    public double Advantage(int row) => _rows[row].Advantage;

    public ReadOnlySpan<float> Behaviour(int row) => _rows[row].Completion.LogProbs.AsSpan();

    public CompletionId IdOf(int row) => _rows[row].Id;

    /// <summary>For a sentence about a whole mini-batch.</summary>
    public string NamesOf(ReadOnlySpan<int> rows)
    {
        var groups = new List<GroupId>();
        foreach (int row in rows)
        {
            if (groups.Count == 0 || groups[^1] != _rows[row].Id.Group)
            {
                groups.Add(_rows[row].Id.Group);
            }
        }

        return groups.Count <= 8
            ? $"groups {string.Join(", ", groups)}"
            : $"{groups.Count} groups from {groups[0]} to {groups[^1]}";
    }

    public PackedBatch Pack(ReadOnlyMemory<int> rows)
        => MicroBatches.Pack(rows.Length, i => _prompts[rows.Span[i]], i => _rows[rows.Span[i]].Completion.Tokens.AsSpan(), i => _prompts[rows.Span[i]].Length);
}
