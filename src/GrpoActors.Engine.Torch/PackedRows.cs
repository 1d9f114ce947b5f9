using TorchSharp;
using static TorchSharp.torch;

namespace GrpoActors.Engine.Torch;

/// <summary>A packed batch on a device. The last token of a sequence predicts nothing and is no row.</summary>
/// <remarks>
/// Attention sees [S, L] places, L the longest sequence: <see cref="Place"/> says which row stands there, <see cref="Row"/> which place a row stands at.
/// Places behind a sequence's end hold row 0; a causal mask hides them from every row that is read.
/// </remarks>
internal sealed class PackedRows
{
    public PackedRows(PackedBatch batch, ModelSpec spec, Device device)
    {
        int sequences = batch.Sequences, rows = batch.Tokens.Length - sequences;
        long[] ids = new long[rows], positions = new long[rows], row = new long[rows], scored = new long[batch.Targets], targets = new long[batch.Targets];
        Sequences = sequences;
        Longest = Math.Max(1, Enumerable.Range(0, sequences).Max(i => batch.Offsets[i + 1] - batch.Offsets[i]) - 1);
        long[] place = new long[(long)sequences * Longest];
        int at = 0, score = 0;
        for (int i = 0; i < sequences; i++)
        {
            batch.Check(i, spec);
            ReadOnlySpan<int> sequence = batch.Sequence(i);
            for (int position = 0; position < sequence.Length - 1; position++, at++)
            {
                (ids[at], positions[at], row[at]) = (sequence[position], position, ((long)i * Longest) + position);
                place[(i * Longest) + position] = at;
                if (position + 1 >= batch.FirstTarget[i])
                {
                    (scored[score], targets[score]) = (at, sequence[position + 1]);
                    score++;
                }
            }
        }

        Ids = tensor(ids, device: device);
        Positions = tensor(positions, device: device);
        Place = tensor(place, device: device);
        Row = tensor(row, device: device);
        Scored = tensor(scored, device: device);
        Targets = tensor(targets, device: device);
    }

    public int Sequences { get; }

    public int Longest { get; }

    public Tensor Ids { get; }

    public Tensor Positions { get; }

    public Tensor Place { get; }

    public Tensor Row { get; }

    /// <summary>Rows that predict a target.</summary>
    public Tensor Scored { get; }

    public Tensor Targets { get; }

    public Tensor[] All => [Ids, Positions, Place, Row, Scored, Targets];
}
