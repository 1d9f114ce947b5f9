using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class AttentionTests
{
    private static readonly int[] Offsets = [0, 1, 6, 6, 75, 139, 339];

    [Theory]
    [InlineData(4, 4, 32)]
    [InlineData(9, 3, 64)]
    [InlineData(2, 1, 128)]
    [InlineData(8, 1, 20)]
    [InlineData(3, 3, 4)]
    [InlineData(1, 1, 80)]
    public void Forward_equals_the_reference_and_knows_no_neighbours_threads_or_strides(int heads, int kvHeads, int n)
    {
        var shape = new AttentionShape(heads, kvHeads, n);
        int tokens = Offsets[^1];
        float[] q = Sample.Of(tokens * heads * n, 1), k = Sample.Of(tokens * kvHeads * n, 2), v = Sample.Of(tokens * kvHeads * n, 3);
        (float[] o, float[] lse) = Forward(shape, Offsets, q, k, v, 1);
        Sample.Near(Reference.Attention(heads, kvHeads, n, Offsets, Sample.Doubles(q), Sample.Doubles(k), Sample.Doubles(v)), o, 3e-6, "attention");
        for (int threads = 2; threads <= 4; threads++)
        {
            (float[] o2, float[] lse2) = Forward(shape, Offsets, q, k, v, threads);
            Sample.SameBits(o, o2, "threads");
            Sample.SameBits(lse, lse2, "threads");
        }
        // The longest sequence alone, and a shorter beginning of it.
        int start = Offsets[^2];
        foreach (int length in new[] { tokens - start, 65 })
        {
            (float[] alone, _) = Forward(shape, [0, length], q[(start * heads * n)..((start + length) * heads * n)], k[(start * kvHeads * n)..((start + length) * kvHeads * n)], v[(start * kvHeads * n)..((start + length) * kvHeads * n)], 3);
            Sample.SameBits(o.AsSpan(start * heads * n, length * heads * n), alone, "alone");
        }
        int stride = (heads + (2 * kvHeads)) * n;
        float[] joint = Joint(q, k, v, heads * n, kvHeads * n, tokens);
        float[] strided = new float[o.Length];
        using var team = new ThreadTeam(2);
        Attention.Forward(shape, Offsets, joint, stride, joint.AsSpan(heads * n), joint.AsSpan((heads + kvHeads) * n), stride, strided, lse, team);
        Sample.SameBits(o, strided, "strided");
    }

    [Theory]
    [InlineData(4, 4, 32, 0)]
    [InlineData(4, 4, 32, 20)]
    [InlineData(9, 3, 64, 80)]
    [InlineData(2, 1, 128, 64)]
    [InlineData(8, 1, 20, 63)]
    [InlineData(3, 3, 4, 49)]
    [InlineData(2, 2, 16, 130)]
    public void Decoding_has_the_bits_of_training(int heads, int kvHeads, int n, int prefix)
    {
        var shape = new AttentionShape(heads, kvHeads, n);
        const int rows = 5, length = 150;
        int[] offsets = Enumerable.Range(0, rows + 1).Select(i => i * length).ToArray();
        float[] q = Sample.Of(rows * length * heads * n, 1), k = Sample.Of(rows * length * kvHeads * n, 2), v = Sample.Of(rows * length * kvHeads * n, 3);
        int kvRow = kvHeads * n;
        for (int row = 1; row < rows; row++) // one prefix for all
        {
            k.AsSpan(0, prefix * kvRow).CopyTo(k.AsSpan(row * length * kvRow));
            v.AsSpan(0, prefix * kvRow).CopyTo(v.AsSpan(row * length * kvRow));
        }
        (float[] o, _) = Forward(shape, offsets, q, k, v, 1);

        int prefixFloats = (int)shape.SegmentFloats(0, prefix), suffixFloats = (int)shape.SegmentFloats(prefix, length - prefix);
        var cache = new float[prefixFloats + (rows * suffixFloats)];
        Array.Fill(cache, float.NaN); // what was never stored must never count
        Attention.Store(shape, k, v, kvRow, 0, prefix, cache, 0, 0);
        foreach (int threads in new[] { 1, 3 })
        {
            using var team = new ThreadTeam(threads);
            for (int step = prefix; step < length; step++)
            {
                var kvRows = new KvRow[rows];
                float[] query = new float[rows * heads * n], newK = new float[rows * kvRow], newV = new float[rows * kvRow];
                for (int row = 0; row < rows; row++)
                {
                    int at = prefixFloats + (row * suffixFloats), position = Math.Max(prefix, step - row); // rows of different lengths
                    int token = (row * length) + position;
                    k.AsSpan(token * kvRow, kvRow).CopyTo(newK.AsSpan(row * kvRow));
                    v.AsSpan(token * kvRow, kvRow).CopyTo(newV.AsSpan(row * kvRow));
                    kvRows[row] = new(0, prefix, at, position + 1 - prefix);
                    q.AsSpan(token * heads * n, heads * n).CopyTo(query.AsSpan(row * heads * n));
                }
                Attention.Append(shape, newK, newV, kvRow, cache, kvRows);
                var decoded = new float[query.Length];
                Attention.Decode(shape, query, heads * n, cache, kvRows, decoded, team);
                for (int row = 0; row < rows; row++)
                {
                    int token = (row * length) + prefix + kvRows[row].SuffixLength - 1;
                    Sample.SameBits(o.AsSpan(token * heads * n, heads * n), decoded.AsSpan(row * heads * n, heads * n), $"row {row} at step {step}");
                }
            }
        }
    }

    [Theory]
    [InlineData(4, 2, 8, new[] { 0, 3, 10 })]
    [InlineData(2, 2, 20, new[] { 0, 9 })]
    [InlineData(1, 1, 4, new[] { 0, 70 })]
    public void Backward_equals_central_differences(int heads, int kvHeads, int n, int[] offsets)
    {
        var shape = new AttentionShape(heads, kvHeads, n);
        int tokens = offsets[^1];
        float[] q = Sample.Of(tokens * heads * n, 1), k = Sample.Of(tokens * kvHeads * n, 2), v = Sample.Of(tokens * kvHeads * n, 3), gradient = Sample.Of(tokens * heads * n, 4);
        (float[] dq, float[] dk, float[] dv) = Backward(shape, offsets, q, k, v, gradient, 1);
        double[] q64 = Sample.Doubles(q), k64 = Sample.Doubles(k), v64 = Sample.Doubles(v);
        double Loss(double[] ignored) => Sample.Weighted(Reference.Attention(heads, kvHeads, n, offsets, q64, k64, v64), gradient);
        Sample.Near(Sample.Differences(q64, Loss), dq, 1e-5, "dq");
        Sample.Near(Sample.Differences(k64, Loss), dk, 1e-5, "dk");
        Sample.Near(Sample.Differences(v64, Loss), dv, 1e-5, "dv");
    }

    [Theory]
    [InlineData(4, 4, 32)]
    [InlineData(6, 2, 64)]
    [InlineData(8, 1, 20)]
    public void Backward_knows_no_neighbours_threads_or_strides(int heads, int kvHeads, int n)
    {
        var shape = new AttentionShape(heads, kvHeads, n);
        int tokens = Offsets[^1], start = Offsets[^2], qRow = heads * n, kvRow = kvHeads * n;
        float[] q = Sample.Of(tokens * qRow, 1), k = Sample.Of(tokens * kvRow, 2), v = Sample.Of(tokens * kvRow, 3), gradient = Sample.Of(tokens * qRow, 4);
        (float[] dq, float[] dk, float[] dv) = Backward(shape, Offsets, q, k, v, gradient, 1);
        for (int threads = 2; threads <= 4; threads++)
        {
            (float[] dq2, float[] dk2, float[] dv2) = Backward(shape, Offsets, q, k, v, gradient, threads);
            Sample.SameBits(dq, dq2, "dq");
            Sample.SameBits(dk, dk2, "dk");
            Sample.SameBits(dv, dv2, "dv");
        }
        (float[] dqAlone, float[] dkAlone, float[] dvAlone) = Backward(shape, [0, tokens - start], q[(start * qRow)..], k[(start * kvRow)..], v[(start * kvRow)..], gradient[(start * qRow)..], 2);
        Sample.SameBits(dq.AsSpan(start * qRow), dqAlone, "dq alone");
        Sample.SameBits(dk.AsSpan(start * kvRow), dkAlone, "dk alone");
        Sample.SameBits(dv.AsSpan(start * kvRow), dvAlone, "dv alone");
        int stride = qRow + (2 * kvRow);
        float[] joint = Joint(q, k, v, qRow, kvRow, tokens), dJoint = new float[joint.Length], o = new float[q.Length], lse = new float[tokens * heads];
        using var team = new ThreadTeam(2);
        Attention.Forward(shape, Offsets, joint, stride, joint.AsSpan(qRow), joint.AsSpan(qRow + kvRow), stride, o, lse, team);
        Attention.Backward(shape, Offsets, joint, stride, joint.AsSpan(qRow), joint.AsSpan(qRow + kvRow), stride, o, lse, gradient, dJoint, dJoint.AsSpan(qRow), dJoint.AsSpan(qRow + kvRow), team);
        Sample.SameBits(Joint(dq, dk, dv, qRow, kvRow, tokens), dJoint, "strided");
    }

    [Theory]
    [InlineData(4, 2, 8, 1)]
    [InlineData(6, 2, 64, 79)]
    [InlineData(2, 1, 128, 64)]
    [InlineData(8, 1, 20, 63)]
    [InlineData(3, 3, 16, 130)]
    public void A_shared_prefix_has_the_bits_of_a_repeated_one_and_its_gradient_is_the_sum_of_theirs(int heads, int kvHeads, int n, int prefix)
    {
        var shape = new AttentionShape(heads, kvHeads, n);
        int qRow = heads * n, kvRow = kvHeads * n;
        int[] lengths = [5, 0, 66, 1, 130];
        // Prefix and what follows it once, a sequence of its own, a second prefix; and the same with the prefixes repeated.
        int[] shared = [0, prefix, .. Ends(prefix, lengths), prefix + lengths.Sum() + 9, prefix + lengths.Sum() + 12, prefix + lengths.Sum() + 19];
        int[] prefixOf = [-1, .. lengths.Select(_ => 0), -1, -1, 7];
        int[] repeated = [0, .. Ends(0, [.. lengths.Select(length => prefix + length), 9, 10])];
        int[][] rowsOf = [.. prefixOf.Select((of, s) => (int[])[.. of < 0 ? [] : Rows(shared, of), .. Rows(shared, s)]).Where((_, s) => s is not 0 and not 7)];
        int tokens = shared[^1];
        float[] q = Sample.Of(tokens * qRow, 1), k = Sample.Of(tokens * kvRow, 2), v = Sample.Of(tokens * kvRow, 3), gradient = Sample.Of(tokens * qRow, 4);
        gradient.AsSpan(0, prefix * qRow).Clear(); // queries of the first prefix count in none of its repetitions
        gradient.AsSpan(shared[7] * qRow, 3 * qRow).Clear();
        int[] order = [.. rowsOf.SelectMany(rows => rows)];
        float[] q2 = Picked(q, order, qRow), k2 = Picked(k, order, kvRow), v2 = Picked(v, order, kvRow), gradient2 = Picked(gradient, order, qRow);
        (float[] o2, float[] lse2) = Forward(shape, repeated, q2, k2, v2, 1);
        (float[] dq2, float[] dk2, float[] dv2) = Backward(shape, repeated, q2, k2, v2, gradient2, 1);
        double[] dkSum = new double[k.Length], dvSum = new double[v.Length];
        for (int row = 0; row < order.Length; row++)
        {
            for (int i = 0; i < kvRow; i++)
            {
                dkSum[(order[row] * kvRow) + i] += dk2[(row * kvRow) + i];
                dvSum[(order[row] * kvRow) + i] += dv2[(row * kvRow) + i];
            }
        }
        (float[] Dq, float[] Dk, float[] Dv)? first = null;
        for (int threads = 1; threads <= 3; threads++)
        {
            using var team = new ThreadTeam(threads);
            float[] o = new float[q.Length], lse = new float[tokens * heads], dq = new float[q.Length], dk = new float[k.Length], dv = new float[v.Length];
            Attention.Forward(shape, shared, prefixOf, q, qRow, k, v, kvRow, o, lse, team);
            Sample.SameBits(o2, Picked(o, order, qRow), "o");
            Sample.SameBits(lse2, Picked(lse, order, heads), "logSumExp");
            Attention.Backward(shape, shared, prefixOf, q, qRow, k, v, kvRow, o, lse, gradient, dq, dk, dv, new float[Attention.PerReaderFloats(shape, shared, prefixOf)], team);
            Sample.SameBits(dq2, Picked(dq, order, qRow), "dq");
            Sample.Near(dkSum, dk, 1e-6, "dk");
            Sample.Near(dvSum, dv, 1e-6, "dv");
            first ??= (dq, dk, dv);
            Sample.SameBits(first.Value.Dk, dk, "dk of threads");
            Sample.SameBits(first.Value.Dv, dv, "dv of threads");
        }
    }

    [Fact]
    public void A_prefix_has_none_itself()
    {
        using var team = new ThreadTeam(1);
        float[] x = new float[12];
        foreach (int[] prefixOf in new int[][] { [0, -1], [1, 0], [-1, 2], [-1] })
            Assert.Throws<ArgumentException>(() => Attention.Forward(new(1, 1, 4), [0, 1, 3], prefixOf, x, 4, x, x, 4, new float[12], new float[3], team));
    }

    private static IEnumerable<int> Ends(int start, int[] lengths) => lengths.Select(length => start += length);

    private static IEnumerable<int> Rows(int[] offsets, int sequence) => Enumerable.Range(offsets[sequence], offsets[sequence + 1] - offsets[sequence]);

    private static float[] Picked(float[] rows, int[] order, int width) => [.. order.SelectMany(row => rows[(row * width)..((row + 1) * width)])];

    private static float[] Joint(float[] q, float[] k, float[] v, int qRow, int kvRow, int tokens)
    {
        int stride = qRow + (2 * kvRow);
        var joint = new float[tokens * stride];
        for (int t = 0; t < tokens; t++)
        {
            q.AsSpan(t * qRow, qRow).CopyTo(joint.AsSpan(t * stride));
            k.AsSpan(t * kvRow, kvRow).CopyTo(joint.AsSpan((t * stride) + qRow));
            v.AsSpan(t * kvRow, kvRow).CopyTo(joint.AsSpan((t * stride) + qRow + kvRow));
        }
        return joint;
    }

    private static (float[] O, float[] Lse) Forward(AttentionShape shape, int[] offsets, float[] q, float[] k, float[] v, int threads)
    {
        using var team = new ThreadTeam(threads);
        float[] o = new float[q.Length], lse = new float[offsets[^1] * shape.Heads];
        Attention.Forward(shape, offsets, q, shape.Heads * shape.HeadWidth, k, v, shape.KvHeads * shape.HeadWidth, o, lse, team);
        return (o, lse);
    }

    private static (float[] Dq, float[] Dk, float[] Dv) Backward(AttentionShape shape, int[] offsets, float[] q, float[] k, float[] v, float[] gradient, int threads)
    {
        (float[] o, float[] lse) = Forward(shape, offsets, q, k, v, threads);
        using var team = new ThreadTeam(threads);
        float[] dq = new float[q.Length], dk = new float[k.Length], dv = new float[v.Length];
        Attention.Backward(shape, offsets, q, shape.Heads * shape.HeadWidth, k, v, shape.KvHeads * shape.HeadWidth, o, lse, gradient, dq, dk, dv, team);
        return (dq, dk, dv);
    }
}
