using GrpoActors.Exact;
using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class GemmTests
{
    public static TheoryData<int, int, int> Sizes { get; } = new()
    {
        { 1, 1, 1 }, { 1, 16, 64 }, { 2, 5, 7 }, { 3, 33, 17 }, { 5, 128, 40 }, { 6, 64, 64 }, { 7, 40, 65 }, { 13, 100, 200 }, { 31, 128, 96 },
        { 64, 344, 128 }, { 150, 128, 344 }, { 301, 24, 130 }, { 600, 20, 33 }, { 50, 1000, 30 }, { 50, 30, 1001 }, { 7, 800, 70 },
        { 2, 100, 64 }, { 3, 64, 112 }, { 4, 600, 64 }, { 12, 600, 80 }, { 20, 600, 64 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Every_element_is_one_chain_over_the_inner_index(int t, int d, int e)
    {
        float[] x = Sample.Of(t * d, 1), w = Sample.Of(e * d, 2), dy = Sample.Of(t * e, 3), y0 = Sample.Of(t * e, 4), dx0 = Sample.Of(t * d, 5), dw0 = Sample.Of(e * d, 6);
        for (int threads = 1; threads <= 4; threads++)
        {
            using var team = new ThreadTeam(threads);
            using PackedMatrix packed = new(e, d), lent = new(e, d, PackedAs.Lent);
            packed.Pack(w, team);
            lent.Lend(w);
            foreach (bool accumulate in new[] { false, true })
            {
                float[] expected = Chains(accumulate ? y0 : new float[t * e], t, e, d, (r, k) => x[(r * d) + k], (k, c) => w[(c * d) + k]);
                float[] dx = (float[])dx0.Clone(), expectedGradient = Chains(accumulate ? dx0 : new float[t * d], t, d, e, (r, k) => dy[(r * e) + k], (k, c) => w[(k * d) + c]);
                foreach (PackedMatrix matrix in new[] { packed, lent })
                {
                    float[] y = (float[])y0.Clone();
                    Gemm.Forward(x, matrix, y, team, accumulate);
                    Sample.SameBits(expected, y, "forward");
                }
                Gemm.InputGradient(dy, lent, dx, team, accumulate);
                Sample.SameBits(expectedGradient, dx, "input gradient");
            }
            float[] dw = (float[])dw0.Clone();
            Gemm.WeightGradient(dy, x, dw, team);
            Sample.SameBits(Chains(dw0, e, d, t, (r, k) => dy[(k * e) + r], (k, c) => x[(k * d) + c]), dw, "weight gradient");
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Weights_in_bfloat16_have_the_bits_of_float32(int t, int d, int e)
    {
        float[] x = Sample.Of(t * d, 1), w = [.. Sample.Of(e * d, 2).Select(value => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000))];
        Assert.True(HalfPrecision.IsBFloat16(w));
        using var team = new ThreadTeam(2);
        using PackedMatrix half = new(e, d, PackedAs.BFloat16), parts = new(e, d, PackedAs.BFloat16), whole = new(e, d);
        Assert.Equal(whole.Bytes, 2 * half.Bytes);
        half.Pack(w, team);
        parts.PackRows(0, w.AsSpan(0, e / 3 * d), team);
        parts.PackRows(e / 3, w.AsSpan(e / 3 * d), team);
        whole.Pack(w, team);
        float[] expected = new float[t * e], y = new float[t * e], row = new float[d];
        Gemm.Forward(x, whole, expected, team);
        foreach (PackedMatrix matrix in new[] { half, parts })
        {
            Gemm.Forward(x, matrix, y, team);
            Sample.SameBits(expected, y, "forward");
            matrix.CopyRow(e - 1, row);
            Sample.SameBits(w.AsSpan((e - 1) * d), row, "row");
        }
    }

    /// <summary>The tile for NEON, on whatever processor: its operations are those of every other, in hardware or emulated.</summary>
    [Fact]
    public unsafe void The_tile_for_neon_has_the_bits_of_every_other()
    {
        const int k = 70, columns = 16, stride = 21;
        float[] a = Sample.Of(6 * k, 1), b = Sample.Of(k * stride, 2), c0 = Sample.Of(6 * stride, 3);
        foreach (int rows in Enumerable.Range(1, 6))
        {
            foreach ((bool isTransposed, bool continues) in new[] { (false, false), (false, true), (true, false), (true, true) })
            {
                (int aRow, int aK) = isTransposed ? (1, rows) : (k, 1);
                float[] expected = (float[])c0.Clone(), actual = (float[])c0.Clone();
                fixed (float* pa = a, pb = b, px = expected, py = actual)
                {
                    GemmTile.Run(rows, 1, k, pa, aRow, aK, pb, stride, px, stride, continues);
                    GemmTile.Neon(rows, k, pa, aRow, aK, pb, stride, py, stride, continues);
                }
                Sample.SameBits(expected, actual, $"{rows} rows");
                for (int column = 0; column < columns; column++)
                {
                    float sum = continues ? c0[((rows - 1) * stride) + column] : 0;
                    for (int i = 0; i < k; i++)
                        sum = Fused.MultiplyAdd(a[((rows - 1) * aRow) + (i * aK)], b[(i * stride) + column], sum);
                    Assert.Equal(sum, actual[((rows - 1) * stride) + column]);
                }
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4095)]
    [InlineData(9999)]
    public void One_weight_that_bfloat16_does_not_hold_is_found(int at)
    {
        float[] w = new float[10000];
        Assert.True(HalfPrecision.IsBFloat16(w));
        w[at] = 1 + 1 / 4096f;
        Assert.False(HalfPrecision.IsBFloat16(w));
    }

    [Fact]
    public void A_row_does_not_depend_on_its_neighbours()
    {
        const int t = 77, d = 96, e = 200;
        using var team = new ThreadTeam(2);
        using PackedMatrix packed = new(e, d), lent = new(e, d, PackedAs.Lent);
        packed.Pack(Sample.Of(e * d, 1), team);
        lent.Lend(Sample.Of(e * d, 1));
        float[] x = Sample.Of(t * d, 2), dy = Sample.Of(t * e, 3), y = new float[t * e], dx = new float[t * d];
        Gemm.Forward(x, packed, y, team);
        Gemm.InputGradient(dy, lent, dx, team);
        for (int start = 0, rows = 1; start < t; start += rows, rows = (rows * 2) + 1)
        {
            rows = Math.Min(rows, t - start);
            float[] yPart = new float[rows * e], dxPart = new float[rows * d];
            Gemm.Forward(x.AsSpan(start * d, rows * d), packed, yPart, team);
            Gemm.InputGradient(dy.AsSpan(start * e, rows * e), lent, dxPart, team);
            Sample.SameBits(y.AsSpan(start * e, rows * e), yPart, "forward");
            Sample.SameBits(dx.AsSpan(start * d, rows * d), dxPart, "input gradient");
        }
    }

    [Fact]
    public void The_cut_into_micro_batches_does_not_show_in_a_weight_gradient()
    {
        const int t = 700, d = 70, e = 50;
        using var team = new ThreadTeam(3);
        float[] x = Sample.Of(t * d, 1), dy = Sample.Of(t * e, 2), whole = Sample.Of(e * d, 3), cut = (float[])whole.Clone();
        Gemm.WeightGradient(dy, x, whole, team);
        foreach ((int start, int count) in new[] { (0, 1), (1, 255), (256, 300), (556, 144) })
            Gemm.WeightGradient(dy.AsSpan(start * e, count * e), x.AsSpan(start * d, count * d), cut, team);
        Sample.SameBits(whole, cut, "weight gradient");
    }

    [Fact]
    public void Strided_rows_and_joined_weights_have_the_bits_of_separate_products()
    {
        const int t = 40, d = 48, e1 = 20, e2 = 70;
        using var team = new ThreadTeam(2);
        float[] w1 = Sample.Of(e1 * d, 1), w2 = Sample.Of(e2 * d, 2), x = Sample.Of(t * d, 3), y1 = new float[t * e1], y2 = new float[t * e2], joint = new float[t * (e1 + e2)];
        using PackedMatrix first = new(e1, d), second = new(e2, d), both = new(e1 + e2, d);
        first.Pack(w1, team);
        second.Pack(w2, team);
        both.PackRows(0, w1, team);
        both.PackRows(e1, w2, team);
        Gemm.Forward(x, first, y1, team);
        Gemm.Forward(x, second, y2, team);
        Gemm.Forward(x, both, joint, team);
        for (int row = 0; row < t; row++)
        {
            Sample.SameBits(y1.AsSpan(row * e1, e1), joint.AsSpan(row * (e1 + e2), e1), "first");
            Sample.SameBits(y2.AsSpan(row * e2, e2), joint.AsSpan((row * (e1 + e2)) + e1, e2), "second");
        }
        // One chain over all outputs equals two products, the second continuing the first.
        using PackedMatrix firstLent = new(e1, d, PackedAs.Lent), secondLent = new(e2, d, PackedAs.Lent), bothLent = new(e1 + e2, d, PackedAs.Lent);
        firstLent.Lend(w1);
        secondLent.Lend(w2);
        bothLent.Lend((float[])[.. w1, .. w2]);
        float[] dxJoint = new float[t * d], dx = new float[t * d], dw2 = new float[e2 * d], dw2Strided = new float[e2 * d];
        Gemm.InputGradient(joint, bothLent, dxJoint, team);
        Gemm.InputGradient(joint, e1 + e2, firstLent, dx, d, t, team);
        Gemm.InputGradient(joint.AsSpan(e1), e1 + e2, secondLent, dx, d, t, team, accumulate: true);
        Sample.SameBits(dxJoint, dx, "input gradient");
        Gemm.WeightGradient(y2, x, dw2, team);
        Gemm.WeightGradient(joint.AsSpan(e1), e1 + e2, x, d, dw2Strided, e2, d, t, team);
        Sample.SameBits(dw2, dw2Strided, "weight gradient");
    }

    [Fact]
    public void Sums_half_way_between_floats_and_tiny_sums_are_rounded_once()
    {
        const int t = 7, d = 6, e = 40;
        float above = 1 + (1 / 1048576f), below = 1 - (1 / 1048576f);
        // 16777218 + (1 - 2^-40): in double it lies half way between two floats, and a second rounding would go up.
        float[] x = new float[t * d], w = new float[e * d];
        for (int row = 0; row < t; row++)
            new[] { 1, above, 0, 1e-30f * (row + 1), 3e-42f, row == 6 ? float.MaxValue : 0 }.CopyTo(x, row * d);
        for (int row = 0; row < e; row++)
            new[] { row % 3 == 0 ? 16777218 : 0, row % 3 == 0 ? below : 0, 5, 1.7e-12f * (row + 1), 0.3f, row == 39 ? 1.5f : 0 }.CopyTo(w, row * d);
        using var team = new ThreadTeam(1);
        using var packed = new PackedMatrix(e, d);
        packed.Pack(w, team);
        float[] y = new float[t * e];
        Gemm.Forward(x, packed, y, team);
        Assert.Equal(16777218, y[0]);
        Assert.Equal(float.PositiveInfinity, y[^1]);
        Sample.SameBits(Chains(new float[t * e], t, e, d, (r, k) => x[(r * d) + k], (k, c) => w[(c * d) + k]), y, "forward");
    }

    [Fact]
    public void Wrong_shapes_are_refused_with_a_sentence()
    {
        using var team = new ThreadTeam(1);
        using PackedMatrix packed = new(4, 3), lent = new(4, 3, PackedAs.Lent);
        Assert.Contains("whole rows of 3", Assert.Throws<ArgumentException>(() => Gemm.Forward(new float[7], packed, new float[8], team)).Message);
        Assert.Contains("y_TE has 7", Assert.Throws<ArgumentException>(() => Gemm.Forward(new float[6], packed, new float[7], team)).Message);
        Assert.Contains("lent", Assert.Throws<InvalidOperationException>(() => Gemm.Forward(new float[3], lent, new float[4], team)).Message);
        Assert.Contains("needs a matrix that is lent", Assert.Throws<InvalidOperationException>(() => Gemm.InputGradient(new float[4], packed, new float[3], team)).Message);
    }

    private static float[] Chains(float[] start, int rows, int columns, int inner, Func<int, int, float> a, Func<int, int, float> b)
    {
        float[] c = (float[])start.Clone();
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                float sum = c[(row * columns) + column];
                for (int k = 0; k < inner; k++)
                    sum = Fused.MultiplyAdd(a(row, k), b(k, column), sum);
                c[(row * columns) + column] = sum;
            }
        }
        return c;
    }
}
