using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

public static unsafe partial class Attention
{
    /// <summary>Writes dq_THN, dk_TKN and dv_TKN.</summary>
    /// <remarks>
    /// Scores are calculated again: p_ij = e^(s_ij - logSumExp_i); with D_i = Σ_n do_in o_in (order of <see cref="Lanes"/>):
    /// <code>
    ///   ds_ij = scale · p_ij (Σ_n do_in v_jn - D_i)
    ///   dq_in = Σ_j ds_ij k_jn       keys j ascending, one chain
    ///   dk_jn = Σ_h Σ_i ds_ij q_in   query heads of the group ascending, in each queries i ascending, one chain;  dv_jn with p_ij do_in likewise
    /// </code>
    /// so neither threads nor the packing of sequences show in the bits. Keys of a shared prefix: such a sum for each sequence that reads them, from zero; the prefix'
    /// own comes first, theirs are added in the order of the sequences.
    /// The gradients have the strides of q and of k and v; floats between the rows are left alone.
    /// </remarks>
    public static void Backward(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<float> q_THN, int qStride, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, ReadOnlySpan<float> o_THN, ReadOnlySpan<float> logSumExp_TH, ReadOnlySpan<float> do_THN, Span<float> dq_THN, Span<float> dk_TKN, Span<float> dv_TKN, ThreadTeam team)
        => Backward(shape, offsets, [], q_THN, qStride, k_TKN, v_TKN, kvStride, o_THN, logSumExp_TH, do_THN, dq_THN, dk_TKN, dv_TKN, [], team);

    /// <summary>As above; sequences may share prefixes.</summary>
    /// <param name="shape">The heads.</param>
    /// <param name="offsets">As in the forward pass.</param>
    /// <param name="prefix_S">As in the forward pass.</param>
    /// <param name="q_THN">As in the forward pass, and so on to <paramref name="logSumExp_TH"/>.</param>
    /// <param name="qStride">Of q and its gradient.</param>
    /// <param name="k_TKN">Rotated keys.</param>
    /// <param name="v_TKN">Values.</param>
    /// <param name="kvStride">Of k, v and their gradients.</param>
    /// <param name="o_THN">What the forward pass wrote.</param>
    /// <param name="logSumExp_TH">What the forward pass wrote.</param>
    /// <param name="do_THN">Gradient of o.</param>
    /// <param name="dq_THN">Written.</param>
    /// <param name="dk_TKN">Written.</param>
    /// <param name="dv_TKN">Written.</param>
    /// <param name="perReader">Room: at least <see cref="PerReaderFloats"/>.</param>
    /// <param name="team">The threads.</param>
    public static void Backward(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<int> prefix_S, ReadOnlySpan<float> q_THN, int qStride, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, ReadOnlySpan<float> o_THN, ReadOnlySpan<float> logSumExp_TH, ReadOnlySpan<float> do_THN, Span<float> dq_THN, Span<float> dk_TKN, Span<float> dv_TKN, Span<float> perReader, ThreadTeam team)
    {
        int tokens = Check(shape, offsets, prefix_S, q_THN.Length, qStride, k_TKN.Length, v_TKN.Length, kvStride);
        Check(shape, offsets, prefix_S, dq_THN.Length, qStride, dk_TKN.Length, dv_TKN.Length, kvStride);
        if (perReader.Length < PerReaderFloats(shape, offsets, prefix_S))
            throw new ArgumentException($"The gradients of shared prefixes need room for {PerReaderFloats(shape, offsets, prefix_S)} floats, but there are {perReader.Length}.", nameof(perReader));
        Shapes.Equal(o_THN.Length, (long)tokens * shape.Heads * shape.HeadWidth, nameof(o_THN));
        Shapes.Equal(do_THN.Length, o_THN.Length, nameof(do_THN));
        Shapes.Equal(logSumExp_TH.Length, (long)tokens * shape.Heads, nameof(logSumExp_TH));
        fixed (float* q = q_THN, k = k_TKN, v = v_TKN, o = o_THN, lse = logSumExp_TH, gradient = do_THN)
        fixed (float* dq = dq_THN, dk = dk_TKN, dv = dv_TKN, shared = perReader)
        fixed (int* starts = offsets, prefixes = prefix_S)
        {
            var sequences = new Sequences(starts, prefixes);
            int items = (offsets.Length - 1) * shape.KvHeads;
            var work = new BackwardWork(team, shape, sequences, new(q, qStride, k, v, kvStride, o, lse, gradient), dq, dk, dv, shared);
            team.Run(items, ref work);
            if (prefix_S.Length == 0)
                return;
            var sum = new PrefixWork(shape, sequences, prefix_S.Length, dk, dv, kvStride, shared);
            team.Run(items, ref sum);
        }
    }

    /// <summary>Floats in which <see cref="Backward(AttentionShape, ReadOnlySpan{int}, ReadOnlySpan{int}, ReadOnlySpan{float}, int, ReadOnlySpan{float}, ReadOnlySpan{float}, int, ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, Span{float}, Span{float}, Span{float}, ThreadTeam)"/> gathers what each sequence adds to its prefix.</summary>
    public static int PerReaderFloats(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<int> prefix_S)
    {
        int positions = 0;
        foreach (int prefix in prefix_S)
            positions += prefix < 0 ? 0 : offsets[prefix + 1] - offsets[prefix];
        return checked(positions * 2 * shape.KvHeads * shape.HeadWidth);
    }

    private readonly struct Inputs(float* q, nint qStride, float* k, float* v, nint kvStride, float* o, float* lse, float* gradient)
    {
        public readonly float* Q = q, K = k, V = v, O = o, Lse = lse, Gradient = gradient;
        public readonly nint QStride = qStride, KvStride = kvStride;
    }

    /// <summary>An item is one key head of one sequence, all of it in order.</summary>
    private readonly struct BackwardWork : ITeamWork
    {
        private readonly ThreadTeam _team;
        private readonly AttentionShape _shape;
        private readonly Sequences _sequences;
        private readonly Inputs _in;
        private readonly float* _dq;
        private readonly float* _dk;
        private readonly float* _dv;
        private readonly float* _shared;

        public BackwardWork(ThreadTeam team, AttentionShape shape, Sequences sequences, in Inputs inputs, float* dq, float* dk, float* dv, float* shared)
        {
            (_team, _shape, _sequences, _in) = (team, shape, sequences, inputs);
            _dq = dq;
            _dk = dk;
            _dv = dv;
            _shared = shared;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int sequence = item / _shape.KvHeads, kvHead = item % _shape.KvHeads, start = _sequences.Start(sequence), length = _sequences.Length(sequence);
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth, prefix = _sequences.PrefixLength(sequence), keys = prefix + length, blocks = (keys + Block - 1) / Block;
            if (keys == 0)
                return;
            nint columns = (nint)blocks * Block * n, rows = (nint)blocks * Block * padded;
            float* kT = _team.ScratchOf(worker, (2 * columns) + (3 * rows) + (Block * ((3 * padded) + (2 * Block) + 1)));
            float* vT = kT + columns, k = vT + columns, dk = k + rows, dv = dk + rows;
            float* q = dv + rows, gradient = q + (Block * padded), dq = gradient + (Block * padded), p = dq + (Block * padded), ds = p + (Block * Block), pull = ds + (Block * Block);
            HeadRows kRows = _sequences.Rows(sequence, _in.K, _in.KvStride, kvHead * n), vRows = _sequences.Rows(sequence, _in.V, _in.KvStride, kvHead * n);
            kRows.Transpose(keys, n, kT);
            vRows.Transpose(keys, n, vT);
            kRows.Pad(keys, n, k, padded);
            new Span<float>(dk, (int)(2 * rows)).Clear();

            for (int head = kvHead * _shape.GroupSize; head < (kvHead + 1) * _shape.GroupSize; head++)
            {
                // Queries of one key block at a time; the first block may hold keys of the prefix before them.
                for (int first = prefix; first < keys;)
                {
                    int lead = first % Block, count = Math.Min(Block - lead, keys - first);
                    nint token = start + first - prefix;
                    Lanes.Pad(_in.Q + (token * _in.QStride) + (head * n), _in.QStride, count, n, q, padded);
                    Lanes.Pad(_in.Gradient + (((token * _shape.Heads) + head) * n), (nint)_shape.Heads * n, count, n, gradient, padded);
                    for (int row = 0; row < count; row++)
                        pull[row] = (float)Lanes.Reduce<Lanes.DotTerm>(gradient + (row * padded), _in.O + ((((token + row) * _shape.Heads) + head) * n), n);
                    new Span<float>(dq, count * padded).Clear();
                    for (int keyStart = 0; keyStart <= first; keyStart += Block)
                    {
                        bool isDiagonal = keyStart == first - lead;
                        int end = isDiagonal ? lead + count : Block;
                        float* keysT = kT + ((nint)keyStart * n), valuesT = vT + ((nint)keyStart * n), keyRows = k + ((nint)keyStart * padded);
                        for (int row = 0; row < count; row += GemmTile.Rows)
                        {
                            int rowsHere = Math.Min(GemmTile.Rows, count - row), last = isDiagonal ? lead + row + rowsHere : end;
                            float* pHere = p + (row * Block), dsHere = ds + (row * Block);
                            Scores(q + (row * padded), padded, rowsHere, n, keysT, 0, last, pHere);
                            Scores(gradient + (row * padded), padded, rowsHere, n, valuesT, 0, last, dsHere);
                            for (int i = 0; i < rowsHere; i++)
                                ScoreGradient(pHere + (i * Block), dsHere + (i * Block), isDiagonal ? lead + row + i + 1 : end, _in.Lse[((token + row + i) * _shape.Heads) + head], pull[row + i]);
                            Values(dsHere, rowsHere, 0, last, keyRows, padded, dq + (row * padded));
                        }
                        int allSeen = isDiagonal ? lead : end;
                        KeyGradient(p, count, end, allSeen, gradient, dv + ((nint)keyStart * padded));
                        KeyGradient(ds, count, end, allSeen, q, dk + ((nint)keyStart * padded));
                    }
                    Lanes.Unpad(dq, padded, count, n, _dq + (token * _in.QStride) + (head * n), _in.QStride);
                    first += count;
                }
            }
            nint own = (nint)prefix * padded, at = (start * _in.KvStride) + (kvHead * n);
            Lanes.Unpad(dk + own, padded, length, n, _dk + at, _in.KvStride);
            Lanes.Unpad(dv + own, padded, length, n, _dv + at, _in.KvStride);
            if (prefix == 0)
                return;
            float* shared = PerReader(_shape, _sequences, _shared, sequence, kvHead);
            Lanes.Unpad(dk, padded, prefix, n, shared, n);
            Lanes.Unpad(dv, padded, prefix, n, shared + ((nint)prefix * n), n);
        }

        /// <summary>Raw scores become p and raw dp become ds in one row; zeros from <paramref name="count"/> to 64.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void ScoreGradient(float* p, float* ds, int count, float lse, float pull)
        {
            Vector512<float> scale = Vector512.Create(_shape.Scale), lses = Vector512.Create(lse), pulls = Vector512.Create(pull);
            for (int j = 0; j < Block; j += 16)
            {
                if (j >= count)
                {
                    Vector512<float>.Zero.Store(p + j);
                    Vector512<float>.Zero.Store(ds + j);
                    continue;
                }
                Vector512<float> present = Lanes.Present(count - j);
                Vector512<float> probability = Elementary.Exp((Vector512.Load(p + j) * scale) - lses) & present;
                ((probability * (Vector512.Load(ds + j) - pulls) * scale) & present).Store(ds + j);
                probability.Store(p + j);
            }
        }

        /// <summary>into[j, n] += Σ_i weights[i, j] rows[i, n] over the chunk's queries i ascending. Key <paramref name="allSeen"/> + r is seen from query r on: queries before the tile's first key are left out.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void KeyGradient(float* weights, int queries, int keys, int allSeen, float* rows, float* into)
        {
            int padded = _shape.PaddedWidth;
            for (int key = 0; key < keys; key += GemmTile.Rows)
            {
                int from = Math.Max(0, key - allSeen);
                for (int n = 0; n < padded; n += GemmTile.Columns)
                    GemmTile.Run(Math.Min(GemmTile.Rows, keys - key), Math.Min(GemmTile.Columns, padded - n) >> 4, queries - from, weights + (from * Block) + key, 1, Block, rows + (from * padded) + n, padded, into + ((nint)key * padded) + n, padded, continues: true);
            }
        }
    }

    /// <summary>Where a sequence's sums for one head of its prefix lie: [P, N] of the keys, then of the values.</summary>
    private static float* PerReader(AttentionShape shape, Sequences sequences, float* shared, int sequence, int kvHead)
    {
        nint positions = 0;
        for (int before = 0; before < sequence; before++)
            positions += sequences.PrefixLength(before);
        return shared + (2 * shape.HeadWidth * ((positions * shape.KvHeads) + ((nint)kvHead * sequences.PrefixLength(sequence))));
    }

    /// <summary>Adds to the gradient of a prefix what its readers gathered. An item is one key head of one sequence.</summary>
    private readonly struct PrefixWork : ITeamWork
    {
        private readonly AttentionShape _shape;
        private readonly Sequences _sequences;
        private readonly int _count;
        private readonly float* _dk;
        private readonly float* _dv;
        private readonly nint _stride;
        private readonly float* _shared;

        public PrefixWork(AttentionShape shape, Sequences sequences, int count, float* dk, float* dv, nint stride, float* shared)
        {
            (_shape, _sequences, _count, _stride) = (shape, sequences, count, stride);
            _dk = dk;
            _dv = dv;
            _shared = shared;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int prefix = item / _shape.KvHeads, kvHead = item % _shape.KvHeads, length = _sequences.Length(prefix), n = _shape.HeadWidth;
            nint at = (_sequences.Start(prefix) * _stride) + (kvHead * n);
            for (int reader = 0; reader < _count; reader++)
            {
                if (_sequences.PrefixOf(reader) != prefix)
                    continue;
                float* shared = PerReader(_shape, _sequences, _shared, reader, kvHead);
                for (int row = 0; row < length; row++)
                {
                    Add(shared + (row * n), _dk + at + (row * _stride), n);
                    Add(shared + ((length + row) * n), _dv + at + (row * _stride), n);
                }
            }
        }

        private static void Add(float* from, float* to, int n)
        {
            for (int i = 0; i < n; i += 4) // a head's width is a multiple of 4
                (Vector128.Load(to + i) + Vector128.Load(from + i)).Store(to + i);
        }
    }
}
