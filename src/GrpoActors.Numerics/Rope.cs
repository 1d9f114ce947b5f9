using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>Rotary position embedding in Hugging Face's layout: element i of a head turns with element i + N/2. Source: Su et al., arXiv:2104.09864.</summary>
public static unsafe class Rope
{
    /// <summary>Tables for positions 0 .. P - 1: cos and sin of position · inverseFrequency[i], calculated in double, times <paramref name="scale"/>, rounded once.</summary>
    /// <param name="inverseFrequency_N2">Shape [N/2], radians per position; every scaling of RoPE (linear, Llama 3, YaRN) is a choice of these.</param>
    /// <param name="scale">YaRN's attention factor; 1 elsewhere.</param>
    /// <param name="cos_PN2">Shape [P, N/2]; written.</param>
    /// <param name="sin_PN2">Shape [P, N/2]; written.</param>
    public static void Tables(ReadOnlySpan<double> inverseFrequency_N2, double scale, Span<float> cos_PN2, Span<float> sin_PN2)
    {
        int half = inverseFrequency_N2.Length, positions = cos_PN2.Length / half;
        Shapes.Equal(cos_PN2.Length, (long)positions * half, nameof(cos_PN2));
        Shapes.Equal(sin_PN2.Length, cos_PN2.Length, nameof(sin_PN2));
        for (int position = 0; position < positions; position++)
        {
            int i = 0;
            for (; i + 8 <= half; i += 8)
            {
                Vector512<double> angle = Vector512.Create(inverseFrequency_N2.Slice(i, 8)) * (double)position;
                (Vector512<double> cos, Vector512<double> sin) = (Elementary.Cos(angle) * scale, Elementary.Sin(angle) * scale);
                for (int lane = 0; lane < 8; lane++)
                {
                    cos_PN2[(position * half) + i + lane] = (float)cos.GetElement(lane);
                    sin_PN2[(position * half) + i + lane] = (float)sin.GetElement(lane);
                }
            }
            for (; i < half; i++)
            {
                double angle = inverseFrequency_N2[i] * position;
                cos_PN2[(position * half) + i] = (float)(Elementary.Cos(angle) * scale);
                sin_PN2[(position * half) + i] = (float)(Elementary.Sin(angle) * scale);
            }
        }
    }

    /// <summary>Turns the heads of every row in place: x1' = x1 cos - x2 sin, x2' = x2 cos + x1 sin.</summary>
    /// <param name="x_THN">Rows of <paramref name="heads"/> heads of N floats, <paramref name="stride"/> apart; changed in place. N is twice the width of the tables.</param>
    /// <param name="stride">Floats from row to row, at least heads · N.</param>
    /// <param name="heads">Heads of a row; 1 or more.</param>
    /// <param name="headWidth">N, even.</param>
    /// <param name="position_T">The position of each row, below the tables' P.</param>
    /// <param name="cos_PN2">From <see cref="Tables"/>.</param>
    /// <param name="sin_PN2">From <see cref="Tables"/>.</param>
    /// <param name="team">The threads.</param>
    public static void Forward(Span<float> x_THN, int stride, int heads, int headWidth, ReadOnlySpan<int> position_T, ReadOnlySpan<float> cos_PN2, ReadOnlySpan<float> sin_PN2, ThreadTeam team)
        => Turn(x_THN, stride, heads, headWidth, position_T, cos_PN2, sin_PN2, 1, team);

    /// <summary>The gradient of <see cref="Forward"/>: the same turn backwards, in place.</summary>
    public static void Backward(Span<float> dx_THN, int stride, int heads, int headWidth, ReadOnlySpan<int> position_T, ReadOnlySpan<float> cos_PN2, ReadOnlySpan<float> sin_PN2, ThreadTeam team)
        => Turn(dx_THN, stride, heads, headWidth, position_T, cos_PN2, sin_PN2, -1, team);

    private static void Turn(Span<float> x_THN, int stride, int heads, int headWidth, ReadOnlySpan<int> position_T, ReadOnlySpan<float> cos_PN2, ReadOnlySpan<float> sin_PN2, float direction, ThreadTeam team)
    {
        int half = headWidth / 2, positions = cos_PN2.Length / half;
        Shapes.Equal(headWidth, 2 * half, nameof(headWidth));
        Shapes.Rows(x_THN.Length, position_T.Length, heads * headWidth, stride, nameof(x_THN));
        Shapes.Equal(sin_PN2.Length, cos_PN2.Length, nameof(sin_PN2));
        foreach (int position in position_T)
        {
            if ((uint)position >= (uint)positions)
                throw new ArgumentOutOfRangeException(nameof(position_T), position, $"The rotary tables hold positions 0 to {positions - 1}.");
        }
        fixed (float* x = x_THN, cos = cos_PN2, sin = sin_PN2)
        {
            fixed (int* position = position_T)
            {
                var work = new TurnWork(x, stride, heads, half, position, cos, sin, direction, new RowBands(position_T.Length, heads * headWidth));
                team.Run(work.Bands.Items, ref work);
            }
        }
    }

    private readonly struct TurnWork(float* x, nint stride, int heads, int half, int* position, float* cos, float* sin, float direction, RowBands bands) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* c = cos + (nint)position[t] * half, s = sin + (nint)position[t] * half;
                for (int head = 0; head < heads; head++)
                {
                    float* first = x + (t * stride) + (head * 2 * half), second = first + half;
                    int i = 0;
                    for (; i + 16 <= half; i += 16)
                    {
                        Vector512<float> x1 = Vector512.Load(first + i), x2 = Vector512.Load(second + i);
                        Vector512<float> cosine = Vector512.Load(c + i), sine = Vector512.Load(s + i) * direction;
                        (x1 * cosine - x2 * sine).Store(first + i);
                        (x2 * cosine + x1 * sine).Store(second + i);
                    }
                    for (; i < half; i++)
                    {
                        (float x1, float x2, float sine) = (first[i], second[i], s[i] * direction);
                        first[i] = x1 * c[i] - x2 * sine;
                        second[i] = x2 * c[i] + x1 * sine;
                    }
                }
            }
        }
    }
}
