namespace GrpoActors.Engine.Cpu;

/// <summary>A packed batch as the forward pass reads it. The last token of a sequence predicts nothing that is scored, so it is left out.</summary>
/// <remarks>Buffers are kept and grow: preparing a batch of a size seen before allocates nothing.</remarks>
internal sealed class PackedInput
{
    private int[] _tokens = [], _positions = [], _offsets = [], _scoredRows = [], _targets = [];
    private int _rows, _sequences, _scored;

    /// <summary>T: input tokens.</summary>
    public int Rows => _rows;

    /// <summary>S: scored tokens.</summary>
    public int Scored => _scored;

    /// <summary>Shape [T].</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _rows);

    /// <summary>Shape [T]: position in the sequence.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, _rows);

    /// <summary>Shape [sequences + 1].</summary>
    public ReadOnlySpan<int> Offsets => _offsets.AsSpan(0, _sequences + 1);

    /// <summary>Shape [S]: the input row whose output predicts the scored token; ascending.</summary>
    public ReadOnlySpan<int> ScoredRows => _scoredRows.AsSpan(0, _scored);

    /// <summary>Shape [S]: the scored tokens.</summary>
    public ReadOnlySpan<int> Targets => _targets.AsSpan(0, _scored);

    /// <exception cref="ArgumentException">The batch contradicts itself, or does not fit the model.</exception>
    public void Prepare(PackedBatch batch, ModelSpec spec)
    {
        _sequences = batch.Sequences;
        Grow(ref _tokens, batch.Tokens.Length);
        Grow(ref _positions, batch.Tokens.Length);
        Grow(ref _offsets, _sequences + 1);
        Grow(ref _scoredRows, batch.Targets);
        Grow(ref _targets, batch.Targets);
        (_rows, _scored) = (0, 0);
        for (int i = 0; i < _sequences; i++)
        {
            ReadOnlySpan<int> sequence = batch.Tokens.AsSpan(batch.Offsets[i], batch.Offsets[i + 1] - batch.Offsets[i]);
            Check(i, sequence, batch.FirstTarget[i], spec);
            _offsets[i] = _rows;
            for (int position = 0; position < sequence.Length - 1; position++)
            {
                if (position + 1 >= batch.FirstTarget[i])
                {
                    _scoredRows[_scored] = _rows;
                    _targets[_scored++] = sequence[position + 1];
                }

                _positions[_rows] = position;
                _tokens[_rows++] = sequence[position];
            }
        }

        _offsets[_sequences] = _rows;
    }

    private static void Check(int index, ReadOnlySpan<int> sequence, int firstTarget, ModelSpec spec)
    {
        if (firstTarget < 1 || firstTarget > sequence.Length)
        {
            throw new ArgumentException($"Sequence {index} has {sequence.Length} tokens and its first scored token is {firstTarget}; expected 1 to {sequence.Length}.");
        }

        if (sequence.Length > spec.ContextLength)
        {
            throw new ArgumentException($"Sequence {index} has {sequence.Length} tokens; the model's context holds {spec.ContextLength}.");
        }

        foreach (int token in sequence)
        {
            if ((uint)token >= (uint)spec.VocabularySize)
            {
                throw new ArgumentException($"Sequence {index} holds token {token}; the model's vocabulary has ids 0 to {spec.VocabularySize - 1}.");
            }
        }
    }

    private static void Grow(ref int[] array, int length)
    {
        if (array.Length < length)
        {
            array = new int[length + length / 8];
        }
    }
}
