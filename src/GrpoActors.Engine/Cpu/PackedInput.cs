namespace GrpoActors.Engine.Cpu;

/// <summary>A packed batch as the forward pass reads it. The last token of a sequence predicts nothing that is scored, so it is left out.</summary>
/// <remarks>
/// A shared prompt becomes a sequence of its own, its last token excepted: that one stays with each completion, whose first token it predicts.
/// <code>
/// group of prompt a b c, completions d e and f g      rows  [a b] [c d] [c f]      predict  -  d e  f g
/// </code>
/// Buffers are kept and grow: preparing a batch of a size seen before allocates nothing.
/// </remarks>
internal sealed class PackedInput
{
    private int[] _tokens = [], _positions = [], _offsets = [], _prefixes = [], _scoredRows = [], _targets = [];
    private int _rows, _sequences, _scored;
    private bool _shares;

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

    /// <summary>Shape [sequences]: the sequence that stands before each, or -1; empty where nothing is shared.</summary>
    public ReadOnlySpan<int> Prefixes => _shares ? _prefixes.AsSpan(0, _sequences) : [];

    /// <summary>Shape [S]: the input row whose output predicts the scored token; ascending.</summary>
    public ReadOnlySpan<int> ScoredRows => _scoredRows.AsSpan(0, _scored);

    /// <summary>Shape [S]: the scored tokens.</summary>
    public ReadOnlySpan<int> Targets => _targets.AsSpan(0, _scored);

    /// <exception cref="ArgumentException">The batch contradicts itself, or does not fit the model.</exception>
    public void Prepare(PackedBatch batch, ModelSpec spec)
    {
        int groups = batch.GroupStarts is null ? batch.Sequences : batch.GroupStarts.Length - 1;
        Grow(ref _tokens, batch.Tokens.Length);
        Grow(ref _positions, batch.Tokens.Length);
        Grow(ref _offsets, batch.Sequences + groups + 1);
        Grow(ref _prefixes, batch.Sequences + groups);
        Grow(ref _scoredRows, batch.Targets);
        Grow(ref _targets, batch.Targets);
        (_rows, _scored, _sequences, _shares) = (0, 0, 0, false);
        for (int group = 0; group < groups; group++)
        {
            (int start, int end) = batch.GroupStarts is null ? (group, group + 1) : (batch.GroupStarts[group], batch.GroupStarts[group + 1]);
            Append(batch, start, end, spec);
        }

        _offsets[_sequences] = _rows;
    }

    private void Append(PackedBatch batch, int start, int end, ModelSpec spec)
    {
        int prompt = batch.FirstTarget[start], prefix = -1, shared = 0;
        if (end - start > 1 && prompt > 1)
        {
            (prefix, shared) = (_sequences, prompt - 1);
            _shares = true;
        }

        for (int i = start; i < end; i++)
        {
            ReadOnlySpan<int> sequence = batch.Sequence(i);
            batch.Check(i, spec);
            if (prefix >= 0 && (batch.FirstTarget[i] != prompt || !sequence[..prompt].SequenceEqual(batch.Sequence(start)[..prompt])))
            {
                throw new ArgumentException($"Sequences {start} and {i} stand in one group, but their prompts are not the same.");
            }

            if (i == start && prefix >= 0)
            {
                Begin(-1);
                for (int position = 0; position < shared; position++)
                {
                    Add(sequence[position], position);
                }
            }

            Begin(prefix);
            for (int position = shared; position < sequence.Length - 1; position++)
            {
                if (position + 1 >= batch.FirstTarget[i])
                {
                    _scoredRows[_scored] = _rows;
                    _targets[_scored++] = sequence[position + 1];
                }

                Add(sequence[position], position);
            }
        }
    }

    private void Begin(int prefix)
    {
        _offsets[_sequences] = _rows;
        _prefixes[_sequences++] = prefix;
    }

    private void Add(int token, int position)
    {
        _positions[_rows] = position;
        _tokens[_rows++] = token;
    }

    private static void Grow(ref int[] array, int length)
    {
        if (array.Length < length)
        {
            array = new int[length + length / 8];
        }
    }
}
