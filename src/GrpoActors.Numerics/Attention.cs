using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>The heads of an attention layer.</summary>
/// <param name="Heads">H, a multiple of K.</param>
/// <param name="KvHeads">K; query head h reads key head h / (H / K).</param>
/// <param name="HeadWidth">N, a multiple of 4 up to 256; fast where a multiple of 16.</param>
public readonly record struct AttentionShape(int Heads, int KvHeads, int HeadWidth)
{
    /// <summary>Keys of a block, counted from position 0 of a sequence: part of the definition of the bits.</summary>
    public const int BlockKeys = 64;

    /// <summary>float(1 / sqrt(N)): the factor of the scores.</summary>
    public float Scale => (float)(1 / Math.Sqrt(HeadWidth));

    /// <summary>Query heads of one key head.</summary>
    public int GroupSize => Heads / KvHeads;

    /// <summary>N rounded up to 16: a row of values in the cache.</summary>
    internal int PaddedWidth => (HeadWidth + 15) & ~15;

    /// <summary>Floats of one head's keys (transposed) and values in a block.</summary>
    internal int HeadFloats => BlockKeys * (HeadWidth + PaddedWidth);

    /// <summary>Floats of a cache block: all key heads, keys and values of 64 positions.</summary>
    public int BlockFloats => KvHeads * HeadFloats;

    /// <summary>Floats of a cache segment for positions <paramref name="start"/> .. <paramref name="start"/> + <paramref name="count"/> - 1 of a sequence.</summary>
    /// <remarks>A segment owns whole blocks counted from position 0: one that starts inside a block leaves the earlier places of it unused.</remarks>
    public long SegmentFloats(int start, int count)
        => count == 0 ? 0 : (long)(((start + count - 1) / BlockKeys) - (start / BlockKeys) + 1) * BlockFloats;

    internal void Check()
    {
        if (KvHeads < 1 || Heads < 1 || Heads % KvHeads != 0 || HeadWidth < 4 || HeadWidth > 256 || HeadWidth % 4 != 0)
            throw new ArgumentException($"Attention needs heads a multiple of key heads and a head width that is a multiple of 4 up to 256, but has {Heads}, {KvHeads} and {HeadWidth}.");
    }
}

/// <summary>Where the keys and values of one decoding row lie in the cache: a prefix, which rows of a group share, and the row's own suffix.</summary>
/// <param name="PrefixOffset">First float of the prefix' segment; any where the prefix is empty.</param>
/// <param name="PrefixLength">Positions 0 .. PrefixLength - 1 are in the prefix; may be 0.</param>
/// <param name="SuffixOffset">First float of the suffix' segment, which starts at position PrefixLength.</param>
/// <param name="SuffixLength">Positions in the suffix, the new token's own included; at least 1.</param>
public readonly record struct KvRow(int PrefixOffset, int PrefixLength, int SuffixOffset, int SuffixLength);

/// <summary>Causal grouped-query attention over packed sequences (training, prefill) and over a cache (decoding), with one definition of the bits.</summary>
/// <remarks>
/// For the query at position i, over blocks of 64 keys counted from position 0 of its sequence, in order:
/// <code>
///   s_j = scale · Σ_n q_n k_jn            one chain of fused multiply-adds over n from 0, then one product
///   m'  = max(m, max_j s_j)               p_j = e^(s_j - m')           a = e^(m - m')
///   l   = fma(l, a, Σ_j p_j)              lane j mod 16, lanes in the tree of Lanes
///   o_n = (o_n a) then + p_j v_jn         one chain over the block's keys j ascending
/// at the end   o = o · (1 / l) + 0,   logSumExp = m + log l
/// </code>
/// Keys after i count as p = 0. So a query's bits depend on its own sequence up to i alone: not on other sequences, threads, or where prefix and suffix meet.
/// Sequences are given by offsets: sequence s owns rows offsets[s] .. offsets[s + 1] - 1, positions counted from 0. Where prefix_S is given, prefix_S[s] is the
/// sequence whose rows stand before those of s (a prompt and one of its completions), or -1; positions of s then count on from there. A prefix has none itself.
/// q has rows of H·N floats at qStride, k and v rows of K·N at kvStride (so all three can lie in one joint product); o_THN and its gradient touch.
/// </remarks>
public static unsafe partial class Attention
{
    private const int Block = AttentionShape.BlockKeys;
    private const int Chunk = 16 * GemmTile.Rows; // query rows handled together

    /// <summary>Writes o_THN and logSumExp_TH.</summary>
    public static void Forward(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<float> q_THN, int qStride, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, Span<float> o_THN, Span<float> logSumExp_TH, ThreadTeam team)
        => Forward(shape, offsets, [], q_THN, qStride, k_TKN, v_TKN, kvStride, o_THN, logSumExp_TH, team);

    /// <summary>Writes o_THN and logSumExp_TH; sequences may share prefixes.</summary>
    public static void Forward(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<int> prefix_S, ReadOnlySpan<float> q_THN, int qStride, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, Span<float> o_THN, Span<float> logSumExp_TH, ThreadTeam team)
    {
        int tokens = Check(shape, offsets, prefix_S, q_THN.Length, qStride, k_TKN.Length, v_TKN.Length, kvStride);
        Shapes.Equal(o_THN.Length, (long)tokens * shape.Heads * shape.HeadWidth, nameof(o_THN));
        Shapes.Equal(logSumExp_TH.Length, (long)tokens * shape.Heads, nameof(logSumExp_TH));
        fixed (float* q = q_THN, k = k_TKN, v = v_TKN, o = o_THN, lse = logSumExp_TH)
        fixed (int* starts = offsets, prefixes = prefix_S)
        {
            int sequences = offsets.Length - 1;
            int items = sequences * shape.KvHeads;
            int parts = items == 0 || team.Threads == 1 || items >= 4 * team.Threads ? 1 : (4 * team.Threads + items - 1) / items;
            var work = new ForwardWork(team, shape, new(starts, prefixes), q, qStride, k, v, kvStride, o, lse, parts);
            team.Run(items * parts, ref work);
        }
    }

    /// <summary>Writes keys and values of <paramref name="count"/> positions from <paramref name="position"/> on into a cache segment.</summary>
    /// <param name="shape">The heads.</param>
    /// <param name="k_TKN">Rows of K·N at <paramref name="kvStride"/>, keys with the rotary embedding applied.</param>
    /// <param name="v_TKN">Likewise.</param>
    /// <param name="kvStride">Floats from row to row.</param>
    /// <param name="position">Position of the first row in its sequence.</param>
    /// <param name="count">Rows.</param>
    /// <param name="cache">The cache of the layer.</param>
    /// <param name="segmentOffset">First float of the segment.</param>
    /// <param name="segmentStart">First position of the segment: 0 for a prefix, the prefix' length for a suffix.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Store(AttentionShape shape, ReadOnlySpan<float> k_TKN, ReadOnlySpan<float> v_TKN, int kvStride, int position, int count, Span<float> cache, int segmentOffset, int segmentStart)
    {
        shape.Check();
        Shapes.Rows(k_TKN.Length, count, shape.KvHeads * shape.HeadWidth, kvStride, nameof(k_TKN));
        Shapes.Rows(v_TKN.Length, count, shape.KvHeads * shape.HeadWidth, kvStride, nameof(v_TKN));
        if (position < segmentStart || segmentOffset < 0 || segmentOffset + shape.SegmentFloats(segmentStart, position + count - segmentStart) > cache.Length)
            throw new ArgumentException($"Positions {position} to {position + count - 1} do not fit a cache segment at {segmentOffset} from position {segmentStart} on: the cache has {cache.Length} floats.", nameof(cache));
        int n = shape.HeadWidth, padded = shape.PaddedWidth;
        fixed (float* k = k_TKN, v = v_TKN, floats = cache)
        {
            for (int row = 0; row < count; row++)
            {
                int at = position + row, lane = at % Block;
                float* block = floats + segmentOffset + ((nint)((at / Block) - (segmentStart / Block)) * shape.BlockFloats);
                for (int head = 0; head < shape.KvHeads; head++)
                {
                    float* keys = block + ((nint)head * shape.HeadFloats), values = keys + (n * Block) + (lane * padded);
                    float* kRow = k + ((nint)row * kvStride) + (head * n), vRow = v + ((nint)row * kvStride) + (head * n);
                    for (int i = 0; i < n; i++)
                        keys[(i * Block) + lane] = kRow[i];
                    for (int i = 0; i < n; i++)
                        values[i] = vRow[i];
                    for (int i = n; i < padded; i++)
                        values[i] = 0;
                }
            }
        }
    }

    /// <summary>Writes each decoding row's new key and value, at its last position, into its suffix: the step before <see cref="Decode"/>.</summary>
    /// <param name="shape">The heads.</param>
    /// <param name="k_BKN">Rows of K·N at <paramref name="kvStride"/>, keys with the rotary embedding applied.</param>
    /// <param name="v_BKN">Likewise.</param>
    /// <param name="kvStride">Floats from row to row.</param>
    /// <param name="cache">The cache of the layer.</param>
    /// <param name="rows_B">As <see cref="Decode"/> takes them: the new position is PrefixLength + SuffixLength - 1.</param>
    public static void Append(AttentionShape shape, ReadOnlySpan<float> k_BKN, ReadOnlySpan<float> v_BKN, int kvStride, Span<float> cache, ReadOnlySpan<KvRow> rows_B)
    {
        for (int row = 0; row < rows_B.Length; row++)
        {
            KvRow at = rows_B[row];
            Store(shape, k_BKN[(row * kvStride)..], v_BKN[(row * kvStride)..], kvStride, at.PrefixLength + at.SuffixLength - 1, 1, cache, at.SuffixOffset, at.PrefixLength);
        }
    }

    /// <summary>One new query per row against the cache; the row's own new key and value must be stored already. o_BHN gets the bits of <c>Forward</c> at that position.</summary>
    /// <param name="shape">The heads.</param>
    /// <param name="q_BHN">Rows of H·N at <paramref name="qStride"/>.</param>
    /// <param name="qStride">Floats from row to row.</param>
    /// <param name="cache">The cache of the layer.</param>
    /// <param name="rows_B">Where each row's keys lie. Neighbours with one prefix read it together.</param>
    /// <param name="o_BHN">Shape [B, H·N]; written.</param>
    /// <param name="team">The threads.</param>
    public static void Decode(AttentionShape shape, ReadOnlySpan<float> q_BHN, int qStride, ReadOnlySpan<float> cache, ReadOnlySpan<KvRow> rows_B, Span<float> o_BHN, ThreadTeam team)
    {
        shape.Check();
        int width = shape.Heads * shape.HeadWidth;
        Shapes.Rows(q_BHN.Length, rows_B.Length, width, qStride, nameof(q_BHN));
        Shapes.Equal(o_BHN.Length, (long)rows_B.Length * width, nameof(o_BHN));
        for (int i = 0; i < rows_B.Length; i++)
        {
            KvRow row = rows_B[i];
            if (row.SuffixLength < 1 || row.PrefixLength < 0 || row.SuffixOffset < 0 || (row.PrefixLength > 0 && row.PrefixOffset < 0)
                || row.SuffixOffset + shape.SegmentFloats(row.PrefixLength, row.SuffixLength) > cache.Length
                || row.PrefixOffset + shape.SegmentFloats(0, row.PrefixLength) > cache.Length)
                throw new ArgumentException($"Row {i} of a decode step ({row}) does not lie in the cache of {cache.Length} floats.", nameof(rows_B));
        }
        fixed (float* q = q_BHN, kv = cache, o = o_BHN)
        fixed (KvRow* rows = rows_B)
        {
            var work = new DecodeWork(team, shape, q, qStride, kv, rows, rows_B.Length, o);
            team.Run(work.Items, ref work);
        }
    }

    private static int Check(AttentionShape shape, ReadOnlySpan<int> offsets, ReadOnlySpan<int> prefix_S, int qLength, int qStride, int kLength, int vLength, int kvStride)
    {
        shape.Check();
        if (offsets.Length == 0 || offsets[0] != 0)
            throw new ArgumentException("Attention needs the sequences' offsets: 0 first, then the end of each sequence.", nameof(offsets));
        for (int i = 1; i < offsets.Length; i++)
        {
            if (offsets[i] < offsets[i - 1])
                throw new ArgumentException($"The offsets of sequences must not fall, but offset {i} is {offsets[i]} after {offsets[i - 1]}.", nameof(offsets));
        }
        if (prefix_S.Length != 0)
            Shapes.Equal(prefix_S.Length, offsets.Length - 1, nameof(prefix_S));
        for (int i = 0; i < prefix_S.Length; i++)
        {
            int prefix = prefix_S[i];
            if (prefix < -1 || prefix >= prefix_S.Length || (prefix >= 0 && prefix_S[prefix] != -1))
                throw new ArgumentException($"A prefix is a sequence that has none itself, or -1, but that of sequence {i} is {prefix}.", nameof(prefix_S));
        }
        int tokens = offsets[^1];
        Shapes.Rows(qLength, tokens, shape.Heads * shape.HeadWidth, qStride, "q_THN");
        Shapes.Rows(kLength, tokens, shape.KvHeads * shape.HeadWidth, kvStride, "k_TKN");
        Shapes.Rows(vLength, tokens, shape.KvHeads * shape.HeadWidth, kvStride, "v_TKN");
        return tokens;
    }

    /// <summary>Which rows belong together.</summary>
    private readonly struct Sequences(int* offsets, int* prefixes)
    {
        public int Start(int sequence) => offsets[sequence];

        public int Length(int sequence) => offsets[sequence + 1] - offsets[sequence];

        /// <summary>-1: none.</summary>
        public int PrefixOf(int sequence) => prefixes == null ? -1 : prefixes[sequence];

        public int PrefixLength(int sequence) => PrefixOf(sequence) is >= 0 and int prefix ? Length(prefix) : 0;

        /// <summary>Keys or values of one head, positions 0 .. P - 1 in the prefix' rows, the others in the sequence's own.</summary>
        public HeadRows Rows(int sequence, float* tensor, nint stride, int column)
        {
            int prefix = PrefixOf(sequence);
            return new(prefix < 0 ? null : tensor + (Start(prefix) * stride) + column, prefix < 0 ? 0 : Length(prefix), tensor + (Start(sequence) * stride) + column, stride);
        }
    }

    private readonly struct HeadRows(float* prefix, int prefixLength, float* own, nint stride)
    {
        /// <summary>Blocks of 64 positions as columns: out[n][j], rows of 64.</summary>
        public void Transpose(int count, int n, float* columns)
        {
            for (int first = 0; first < count; first += Block)
            {
                float* to = columns + ((nint)first * n);
                int end = Math.Min(Block, count - first), split = Math.Clamp(prefixLength - first, 0, end);
                if (split > 0)
                    Lanes.Transpose(prefix + (first * stride), stride, 0, split, n, to, Block);
                if (split < end)
                    Lanes.Transpose(own + ((first + split - prefixLength) * stride), stride, split, end, n, to, Block);
            }
        }

        /// <summary>Rows of <paramref name="padded"/> floats.</summary>
        public void Pad(int count, int n, float* to, int padded)
        {
            if (prefixLength > 0)
                Lanes.Pad(prefix, stride, prefixLength, n, to, padded);
            Lanes.Pad(own, stride, count - prefixLength, n, to + ((nint)prefixLength * padded), padded);
        }
    }

    /// <summary>Raw scores (without the factor) of query rows against columns [firstColumn, endColumn) of a transposed block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores(float* q, nint qStride, int rows, int n, float* keys, int firstColumn, int endColumn, float* scores)
    {
        int first = firstColumn & ~15, vectors = (endColumn - first + 15) >> 4;
        for (int row = 0; row < rows; row += GemmTile.Rows)
            GemmTile.Run(Math.Min(GemmTile.Rows, rows - row), vectors, n, q + (row * qStride), qStride, 1, keys + first, Block, scores + (row * Block) + first, Block, continues: false);
    }

    /// <summary>o += p v for query rows over keys [firstKey, endKey) of a block, o and v in rows of padded floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Values(float* p, int rows, int firstKey, int endKey, float* values, int padded, float* o)
    {
        for (int row = 0; row < rows; row += GemmTile.Rows)
        {
            for (int n = 0; n < padded; n += GemmTile.Columns)
                GemmTile.Run(Math.Min(GemmTile.Rows, rows - row), Math.Min(GemmTile.Columns, padded - n) >> 4, endKey - firstKey, p + (row * Block) + firstKey, Block, 1, values + ((nint)firstKey * padded) + n, padded, o + ((nint)row * padded) + n, padded, continues: true);
        }
    }

    /// <summary>The running softmax of one row takes a block in: scores become p, zeros from <paramref name="count"/> (1 .. 64) up to <paramref name="end"/>; o is rescaled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Take(float* scores, int count, int end, float scale, ref float max, ref float sum, float* o, int padded)
    {
        Vector512<float> lowest = Vector512.Create(float.NegativeInfinity), scales = Vector512.Create(scale), best = lowest;
        int j = 0;
        for (; j + 16 <= count; j += 16)
        {
            Vector512<float> s = Vector512.Load(scores + j) * scales;
            s.Store(scores + j);
            best = Vector512.ConditionalSelect(Vector512.GreaterThan(s, best), s, best); // a NaN is lost here and found again in p
        }
        if (j < count)
        {
            Vector512<float> s = Vector512.ConditionalSelect(Lanes.Present(count - j), Vector512.Load(scores + j) * scales, lowest);
            s.Store(scores + j);
            best = Vector512.ConditionalSelect(Vector512.GreaterThan(s, best), s, best);
        }
        float newMax = Lanes.Largest(best);
        newMax = newMax > max ? newMax : max;
        Vector512<float> maxima = Vector512.Create(newMax), sums = Vector512<float>.Zero;
        for (j = 0; j < count; j += 16)
        {
            Vector512<float> p = Elementary.Exp(Vector512.Load(scores + j) - maxima);
            p.Store(scores + j);
            sums += p;
        }
        for (; j < end; j += 16)
            Vector512<float>.Zero.Store(scores + j);
        // In the first block a = e^(-infinity) = 0, and sum and o are 0 already.
        float alpha = max == float.NegativeInfinity ? 0 : Elementary.Exp(max - newMax);
        sum = Fused.MultiplyAdd(sum, alpha, Lanes.Tree(sums));
        bool isSame = alpha == 1 || max == float.NegativeInfinity;
        max = newMax;
        if (isSame)
            return;
        Vector512<float> alphas = Vector512.Create(alpha);
        for (int n = 0; n < padded; n += 16)
            (Vector512.Load(o + n) * alphas).Store(o + n);
    }

    /// <summary>o / l to its place; + 0 makes the sign of a zero the same however many zeros were added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(float* o, float sum, float* to, int n)
    {
        Vector512<float> inverse = Vector512.Create(1 / sum);
        int i = 0;
        for (; i + 16 <= n; i += 16)
            ((Vector512.Load(o + i) * inverse) + Vector512<float>.Zero).Store(to + i);
        if (i < n)
            Lanes.StorePart((Vector512.Load(o + i) * inverse) + Vector512<float>.Zero, to + i, n - i);
    }

    private readonly struct ForwardWork : ITeamWork
    {
        private readonly ThreadTeam _team;
        private readonly AttentionShape _shape;
        private readonly Sequences _sequences;
        private readonly float* _q;
        private readonly float* _k;
        private readonly float* _v;
        private readonly float* _o;
        private readonly float* _lse;
        private readonly nint _qStride, _kvStride;
        private readonly int _parts;

        public ForwardWork(ThreadTeam team, AttentionShape shape, Sequences sequences, float* q, nint qStride, float* k, float* v, nint kvStride, float* o, float* lse, int parts)
        {
            (_team, _shape, _sequences, _qStride, _kvStride, _parts) = (team, shape, sequences, qStride, kvStride, parts);
            _q = q;
            _k = k;
            _v = v;
            _o = o;
            _lse = lse;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int part = item % _parts, pair = item / _parts, sequence = pair / _shape.KvHeads, kvHead = pair % _shape.KvHeads;
            int start = _sequences.Start(sequence), length = _sequences.Length(sequence), prefix = _sequences.PrefixLength(sequence);
            int chunks = (length + Chunk - 1) / Chunk;
            if (part >= chunks)
                return;
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth;
            // The last chunk of this part, counted from the end so that the long ones are spread.
            int lastChunk = chunks - 1 - part;
            int keys = prefix + Math.Min(length, (lastChunk + 1) * Chunk), blocks = (keys + Block - 1) / Block;
            nint keyFloats = (nint)blocks * Block * n, valueFloats = (nint)blocks * Block * padded;
            float* kT = _team.ScratchOf(worker, keyFloats + valueFloats + (GemmTile.Rows * Block) + (Chunk * (padded + 2)));
            float* values = kT + keyFloats, scores = values + valueFloats, o = scores + (GemmTile.Rows * Block), max = o + (Chunk * padded), sum = max + Chunk;
            _sequences.Rows(sequence, _k, _kvStride, kvHead * n).Transpose(keys, n, kT);
            _sequences.Rows(sequence, _v, _kvStride, kvHead * n).Pad(keys, n, values, padded);
            for (int chunk = lastChunk; chunk >= 0; chunk -= _parts)
            {
                for (int head = kvHead * _shape.GroupSize; head < (kvHead + 1) * _shape.GroupSize; head++)
                {
                    int first = chunk * Chunk, rows = Math.Min(Chunk, length - first);
                    AttendChunk(_q + ((start + first) * _qStride) + (head * n), prefix + first, rows, kT, values, scores, o, max, sum);
                    for (int row = 0; row < rows; row += 16)
                    {
                        Vector512<float> lse = Vector512.Load(max + row) + Elementary.Log(Vector512.Load(sum + row));
                        for (int i = row; i < Math.Min(rows, row + 16); i++)
                        {
                            nint token = start + first + i;
                            Finish(o + (i * padded), sum[i], _o + (((token * _shape.Heads) + head) * n), n);
                            _lse[(token * _shape.Heads) + head] = lse.GetElement(i - row);
                        }
                    }
                }
            }
        }

        /// <param name="first">Position of the first row.</param>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AttendChunk(float* q, int first, int rows, float* kT, float* values, float* scores, float* o, float* max, float* sum)
        {
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth;
            float scale = _shape.Scale;
            new Span<float>(o, rows * padded).Clear();
            new Span<float>(max, rows).Fill(float.NegativeInfinity);
            new Span<float>(sum, rows).Clear();
            for (int block = 0; block * Block < first + rows; block++)
            {
                int keyStart = block * Block;
                float* blockKeys = kT + ((nint)keyStart * n), blockValues = values + ((nint)keyStart * padded);
                // Rows before this block have nothing in it; they come first.
                for (int row = Math.Max(0, keyStart - first); row < rows; row += GemmTile.Rows)
                {
                    int count = Math.Min(GemmTile.Rows, rows - row), end = Math.Min(Block, first + row + count - keyStart);
                    Scores(q + (row * _qStride), _qStride, count, n, blockKeys, 0, end, scores);
                    for (int i = 0; i < count; i++)
                        Take(scores + (i * Block), Math.Min(Block, first + row + i + 1 - keyStart), end, scale, ref max[row + i], ref sum[row + i], o + ((row + i) * padded), padded);
                    Values(scores, count, 0, end, blockValues, padded, o + (row * padded));
                }
            }
        }
    }

    /// <summary>Decoding. An item is one key head of a run of neighbouring rows, at most <see cref="RowsPerItemMax"/>; those that share a prefix read it together.</summary>
    private readonly struct DecodeWork : ITeamWork
    {
        private const int RowsPerItemMax = 16;

        private readonly ThreadTeam _team;
        private readonly AttentionShape _shape;
        private readonly float* _q;
        private readonly float* _cache;
        private readonly KvRow* _rows;
        private readonly float* _o;
        private readonly nint _qStride;
        private readonly int _count, _bands, _rowsPerItem;

        public DecodeWork(ThreadTeam team, AttentionShape shape, float* q, nint qStride, float* cache, KvRow* rows, int count, float* o)
        {
            (_team, _shape, _qStride, _count) = (team, shape, qStride, count);
            _q = q;
            _cache = cache;
            _rows = rows;
            _o = o;
            // About four items a thread, at least a row each; a prefix that two threads need is read by both.
            _rowsPerItem = Math.Clamp(count * shape.KvHeads / (4 * team.Threads), 1, RowsPerItemMax);
            _bands = (count + _rowsPerItem - 1) / _rowsPerItem;
        }

        public int Items => _bands * _shape.KvHeads;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int band = item / _shape.KvHeads, kvHead = item % _shape.KvHeads;
            int end = Math.Min(_count, (band + 1) * _rowsPerItem);
            for (int from = band * _rowsPerItem; from < end;)
            {
                int to = from + 1;
                while (to < end && _rows[to].PrefixOffset == _rows[from].PrefixOffset && _rows[to].PrefixLength == _rows[from].PrefixLength)
                    to++;
                Attend(from, to, kvHead, worker);
                from = to;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Attend(int from, int to, int kvHead, int worker)
        {
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth, group = _shape.GroupSize, queries = (to - from) * group;
            float scale = _shape.Scale;
            float* q = _team.ScratchOf(worker, (nint)queries * (padded + Block + padded + 2));
            float* scores = q + ((nint)queries * padded), o = scores + ((nint)queries * Block), max = o + ((nint)queries * padded), sum = max + queries;
            for (int row = from; row < to; row++)
                Lanes.Pad(_q + (row * _qStride) + (kvHead * group * n), n, group, n, q + ((row - from) * group * padded), padded);
            new Span<float>(o, queries * padded).Clear();
            new Span<float>(max, queries).Fill(float.NegativeInfinity);
            new Span<float>(sum, queries).Clear();

            int prefix = _rows[from].PrefixLength, shared = prefix / Block, split = prefix % Block;
            float* head = _cache + _rows[from].PrefixOffset + ((nint)kvHead * _shape.HeadFloats);
            for (int block = 0; block < shared; block++, head += _shape.BlockFloats)
            {
                Scores(q, padded, queries, n, head, 0, Block, scores);
                for (int i = 0; i < queries; i++)
                    Take(scores + (i * Block), Block, Block, scale, ref max[i], ref sum[i], o + (i * padded), padded);
                Values(scores, queries, 0, Block, head + (n * Block), padded, o);
            }
            if (split != 0)
                AttendMeeting(from, to, kvHead, head, split, q, scores, o, max, sum);
            for (int row = from; row < to; row++)
            {
                int at = (row - from) * group, length = prefix + _rows[row].SuffixLength;
                float* own = Own(row, kvHead) + (split == 0 ? 0 : _shape.BlockFloats);
                for (int block = shared + (split == 0 ? 0 : 1); block * Block < length; block++, own += _shape.BlockFloats)
                {
                    int count = Math.Min(Block, length - (block * Block));
                    Scores(q + (at * padded), padded, group, n, own, 0, count, scores + (at * Block));
                    for (int i = at; i < at + group; i++)
                        Take(scores + (i * Block), count, count, scale, ref max[i], ref sum[i], o + (i * padded), padded);
                    Values(scores + (at * Block), group, 0, count, own + (n * Block), padded, o + (at * padded));
                }
                for (int i = 0; i < group; i++)
                    Finish(o + ((at + i) * padded), sum[at + i], _o + ((((nint)row * _shape.Heads) + (kvHead * group) + i) * n), n);
            }
        }

        /// <summary>The block in which the prefix ends and the suffixes begin: one softmax over keys of both.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AttendMeeting(int from, int to, int kvHead, float* head, int split, float* q, float* scores, float* o, float* max, float* sum)
        {
            int n = _shape.HeadWidth, padded = _shape.PaddedWidth, group = _shape.GroupSize, queries = (to - from) * group;
            float* kept = stackalloc float[16 * GemmTile.Rows];
            Scores(q, padded, queries, n, head, 0, split, scores);
            int firstOwn = split & ~15;
            for (int row = from; row < to; row++)
            {
                int count = Math.Min(Block, split + _rows[row].SuffixLength);
                float* own = Own(row, kvHead);
                for (int part = 0; part < group; part += GemmTile.Rows)
                {
                    int at = ((row - from) * group) + part, rows = Math.Min(GemmTile.Rows, group - part);
                    // The vector in which the two meet is calculated from both, and its prefix lanes are put back.
                    for (int i = 0; i < rows; i++)
                        Vector512.Load(scores + ((at + i) * Block) + Math.Min(firstOwn, 48)).Store(kept + (i * 16));
                    Scores(q + (at * padded), padded, rows, n, own, firstOwn, count, scores + (at * Block));
                    for (int i = 0; i < rows; i++)
                    {
                        new ReadOnlySpan<float>(kept + (i * 16), split - firstOwn).CopyTo(new Span<float>(scores + ((at + i) * Block) + firstOwn, split - firstOwn));
                        Take(scores + ((at + i) * Block), count, count, _shape.Scale, ref max[at + i], ref sum[at + i], o + ((at + i) * padded), padded);
                    }
                }
            }
            Values(scores, queries, 0, split, head + (n * Block), padded, o);
            for (int row = from; row < to; row++)
            {
                int at = (row - from) * group;
                Values(scores + (at * Block), group, split, Math.Min(Block, split + _rows[row].SuffixLength), Own(row, kvHead) + (n * Block), padded, o + (at * padded));
            }
        }

        private float* Own(int row, int kvHead) => _cache + _rows[row].SuffixOffset + ((nint)kvHead * _shape.HeadFloats);
    }
}
