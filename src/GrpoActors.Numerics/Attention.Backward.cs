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
    /// so neither threads nor the packing of sequences show in the bits. The gradients have the strides of q and of k and v; floats between the rows are left alone.
    /// </remarks>
    public static void Backward(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<float> q_THN, int qStride, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, ReadOnlySpan<float> o_THN, ReadOnlySpan<float> logSumExp_TH, ReadOnlySpan<float> do_THN, Span<float> dq_THN, Span<float> dk_TKN, Span<float> dv_TKN, ThreadTeam team)
    {
        int tokens = Check(shape, offsets, q_THN.Length, qStride, k_TKN.Length, v_TKN.Length, kvStride);
        Check(shape, offsets, dq_THN.Length, qStride, dk_TKN.Length, dv_TKN.Length, kvStride);
        Shapes.Equal(o_THN.Length, (long)tokens * shape.Heads * shape.HeadWidth, nameof(o_THN));
        Shapes.Equal(do_THN.Length, o_THN.Length, nameof(do_THN));
        Shapes.Equal(logSumExp_TH.Length, (long)tokens * shape.Heads, nameof(logSumExp_TH));
        fixed (float* q = q_THN, k = k_TKN, v = v_TKN, o = o_THN, lse = logSumExp_TH, gradient = do_THN)
        fixed (float* dq = dq_THN, dk = dk_TKN, dv = dv_TKN)
        fixed (int* starts = offsets)
        {
            var work = new BackwardWork(team, shape, starts, new(q, qStride, k, v, kvStride, o, lse, gradient), dq, dk, dv);
            team.Run((offsets.Length - 1) * shape.KvHeads, ref work);
        }
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
        private readonly int* _offsets;
        private readonly Inputs _in;
        private readonly float* _dq;
        private readonly float* _dk;
        private readonly float* _dv;

        public BackwardWork(ThreadTeam team, AttentionShape shape, int* offsets, in Inputs inputs, float* dq, float* dk, float* dv)
        {
            (_team, _shape, _in) = (team, shape, inputs);
            _offsets = offsets;
            _dq = dq;
            _dk = dk;
            _dv = dv;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int sequence = item / _shape.KvHeads, kvHead = item % _shape.KvHeads, start = _offsets[sequence], length = _offsets[sequence + 1] - start;
            if (length == 0)
                return;
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth, blocks = (length + Block - 1) / Block;
            nint columns = (nint)blocks * Block * n, rows = (nint)blocks * Block * padded;
            float* kT = _team.ScratchOf(worker, (2 * columns) + (3 * rows) + (Block * ((3 * padded) + (2 * Block) + 1)));
            float* vT = kT + columns, k = vT + columns, dk = k + rows, dv = dk + rows;
            float* q = dv + rows, gradient = q + (Block * padded), dq = gradient + (Block * padded), p = dq + (Block * padded), ds = p + (Block * Block), pull = ds + (Block * Block);
            float* kRows = _in.K + (start * _in.KvStride) + (kvHead * n), vRows = _in.V + (start * _in.KvStride) + (kvHead * n);
            for (int block = 0; block < blocks; block++)
            {
                int count = Math.Min(Block, length - (block * Block));
                Transpose(kRows + (block * Block * _in.KvStride), _in.KvStride, count, n, kT + ((nint)block * Block * n));
                Transpose(vRows + (block * Block * _in.KvStride), _in.KvStride, count, n, vT + ((nint)block * Block * n));
            }
            Lanes.Pad(kRows, _in.KvStride, length, n, k, padded);
            new Span<float>(dk, (int)(2 * rows)).Clear();

            for (int head = kvHead * _shape.GroupSize; head < (kvHead + 1) * _shape.GroupSize; head++)
            {
                for (int first = 0; first < length; first += Block)
                {
                    int count = Math.Min(Block, length - first);
                    nint token = start + first;
                    Lanes.Pad(_in.Q + (token * _in.QStride) + (head * n), _in.QStride, count, n, q, padded);
                    Lanes.Pad(_in.Gradient + (((token * _shape.Heads) + head) * n), (nint)_shape.Heads * n, count, n, gradient, padded);
                    for (int row = 0; row < count; row++)
                        pull[row] = (float)Lanes.Reduce<Lanes.DotTerm>(gradient + (row * padded), _in.O + ((((token + row) * _shape.Heads) + head) * n), n);
                    new Span<float>(dq, count * padded).Clear();
                    for (int keyStart = 0; keyStart <= first; keyStart += Block)
                    {
                        bool isDiagonal = keyStart == first;
                        int end = Math.Min(Block, first + count - keyStart);
                        float* keysT = kT + ((nint)keyStart * n), valuesT = vT + ((nint)keyStart * n), keys = k + ((nint)keyStart * padded);
                        for (int row = 0; row < count; row += GemmTile.Rows)
                        {
                            int rowsHere = Math.Min(GemmTile.Rows, count - row), last = isDiagonal ? row + rowsHere : end;
                            float* pHere = p + (row * Block), dsHere = ds + (row * Block);
                            Scores(q + (row * padded), padded, rowsHere, n, keysT, 0, last, pHere);
                            Scores(gradient + (row * padded), padded, rowsHere, n, valuesT, 0, last, dsHere);
                            for (int i = 0; i < rowsHere; i++)
                                ScoreGradient(pHere + (i * Block), dsHere + (i * Block), isDiagonal ? row + i + 1 : end, _in.Lse[((token + row + i) * _shape.Heads) + head], pull[row + i]);
                            Values(dsHere, rowsHere, 0, last, keys, padded, dq + (row * padded));
                        }
                        KeyGradient(p, count, end, isDiagonal, gradient, dv + ((nint)keyStart * padded));
                        KeyGradient(ds, count, end, isDiagonal, q, dk + ((nint)keyStart * padded));
                    }
                    Lanes.Unpad(dq, padded, count, n, _dq + (token * _in.QStride) + (head * n), _in.QStride);
                }
            }
            Lanes.Unpad(dk, padded, length, n, _dk + (start * _in.KvStride) + (kvHead * n), _in.KvStride);
            Lanes.Unpad(dv, padded, length, n, _dv + (start * _in.KvStride) + (kvHead * n), _in.KvStride);
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

        /// <summary>into[j, n] += Σ_i weights[i, j] rows[i, n] over the chunk's queries i ascending; on the diagonal queries before the tile's first key are left out.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void KeyGradient(float* weights, int queries, int keys, bool isDiagonal, float* rows, float* into)
        {
            int padded = _shape.PaddedWidth;
            for (int key = 0; key < keys; key += GemmTile.Rows)
            {
                int from = isDiagonal ? key : 0;
                for (int n = 0; n < padded; n += GemmTile.Columns)
                    GemmTile.Run(Math.Min(GemmTile.Rows, keys - key), Math.Min(GemmTile.Columns, padded - n) >> 4, queries - from, weights + (from * Block) + key, 1, Block, rows + (from * padded) + n, padded, into + ((nint)key * padded) + n, padded, continues: true);
            }
        }
    }
}
