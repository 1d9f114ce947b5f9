using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Engine.Training;

/// <summary>The rows of a step's batch with what is known of each of their tokens. Token arrays hold completion tokens, row after row.</summary>
internal sealed class StepRows
{
    private readonly ImmutableArray<TrainingRow> _rows;
    private readonly int[][] _prompts;
    private readonly bool _sharesPrefixes;
    private AdvantageResult? _finished;
    private double[] _penalties = [];

    public StepRows(ImmutableArray<TrainingRow> rows, Func<long, int[]> prompts, GroupPlan plan)
    {
        _rows = rows;
        _sharesPrefixes = plan.PrefixSharing;
        Temperature = plan.Sampling.Temperature;
        MasksTruncated = plan.MaskTruncated && rows.Any(row => row.Completion.Finish == FinishReason.Length);
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

    public IReadOnlyList<TrainingRow> Rows => _rows;

    /// <summary>Some row's tokens do not count.</summary>
    public bool MasksTruncated { get; }

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

    public int PromptLength(int row) => _prompts[row].Length;

    /// <summary>Replaces the advantages that the batch brought.</summary>
    /// <param name="penalties">Shape [rows]: what was taken off the rewards; empty: nothing.</param>
    public void Finish(AdvantageResult advantages, double[] penalties) => (_finished, _penalties) = (advantages, penalties);

    /// <summary>What the estimator says a value function should have said; shape [Tokens], or empty where it says nothing.</summary>
    public double[] Returns => _finished?.Returns ?? [];

    /// <summary>What was taken off the row's reward.</summary>
    public double Penalty(int row) => _penalties.Length == 0 ? 0 : _penalties[row];

    /// <summary>Each token has an advantage of its own.</summary>
    public bool PerToken => _finished is { PerToken: true };

    public double Advantage(int row) => _finished is null ? _rows[row].Advantage : _finished.Advantages[row];

    public ReadOnlySpan<double> TokenAdvantages(int row) => _finished!.Advantages.AsSpan(Starts[row]..Starts[row + 1]);

    /// <summary>All advantages are 0.</summary>
    public bool HasNoAdvantage => _finished is null ? _rows.All(row => row.Advantage == 0) : Array.TrueForAll(_finished.Advantages, advantage => advantage == 0);

    public bool Teaches(int row) => !MasksTruncated || _rows[row].Completion.Finish != FinishReason.Length;

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

    /// <summary>Rows in this order as micro-batches of whole units (<see cref="MicroBatches.UnitTokensMax"/>) up to the token budget; without sharing a unit is one row.</summary>
    public MicroBatch[] Cut(int[] order, int tokensMax)
    {
        List<int> units = Units(order);
        int Length(int unit) => _prompts[order[units[unit]]].Length + order[units[unit]..units[unit + 1]].Sum(row => _rows[row].Completion.Tokens.Length);
        return
        [
            .. MicroBatches.Cut(units.Count - 1, Length, tokensMax).Select(cut =>
            {
                int start = units[cut.Start];
                int[] groupStarts = [.. units.GetRange(cut.Start, cut.Count + 1).Select(unit => unit - start)];
                return new MicroBatch(start, order.AsMemory(start, groupStarts[^1]), groupStarts);
            }),
        ];
    }

    public PackedBatch Pack(in MicroBatch micro)
    {
        ReadOnlyMemory<int> rows = micro.Rows;
        return MicroBatches.Pack(
            rows.Length, i => _prompts[rows.Span[i]], i => _rows[rows.Span[i]].Completion.Tokens.AsSpan(), i => _prompts[rows.Span[i]].Length, _sharesPrefixes ? micro.UnitStarts : null);
    }

    /// <summary>Where units begin in an order of rows, and the end of the last.</summary>
    private List<int> Units(int[] order)
    {
        var starts = new List<int>();
        int tokens = 0;
        for (int i = 0; i < order.Length; i++)
        {
            TrainingRow row = _rows[order[i]];
            int length = row.Completion.Tokens.Length;
            bool joins = _sharesPrefixes && i > 0 && _rows[order[i - 1]].Id.Group == row.Id.Group
                && tokens + length <= Math.Max(MicroBatches.UnitTokensMax, _prompts[order[i]].Length);
            if (!joins)
            {
                starts.Add(i);
                tokens = 0;
            }

            tokens += length;
        }

        starts.Add(order.Length);
        return starts;
    }
}

/// <summary>Rows of one forward and backward pass.</summary>
/// <param name="Start">Place of the first in the order that was cut.</param>
/// <param name="UnitStarts">Shape [units + 1]: rows UnitStarts[u] .. UnitStarts[u+1] - 1 share their prompt.</param>
internal readonly record struct MicroBatch(int Start, ReadOnlyMemory<int> Rows, int[] UnitStarts);
