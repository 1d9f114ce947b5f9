using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>y = silu(gate) · up with silu(g) = g / (1 + e^-g). Source: Shazeer, arXiv:2002.05202.</summary>
/// <remarks>gate and up have rows of F at one stride, so that they can be the halves of one product [T, 2F]; y is [T, F] without gaps. F = y's length / tokens.</remarks>
public static unsafe class SwiGlu
{
    /// <summary>Writes y_TF.</summary>
    /// <param name="gate_TF">Rows of F, <paramref name="stride"/> apart.</param>
    /// <param name="up_TF">Likewise.</param>
    /// <param name="stride">Floats from row to row of gate and up; F where rows touch, 2F in a joint product.</param>
    /// <param name="y_TF">Shape [T, F]; written.</param>
    /// <param name="tokens">T.</param>
    /// <param name="team">The threads.</param>
    public static void Forward(ReadOnlySpan<float> gate_TF, ReadOnlySpan<float> up_TF, int stride, Span<float> y_TF, int tokens, ThreadTeam team)
    {
        int f = Width(y_TF.Length, tokens);
        Shapes.Rows(gate_TF.Length, tokens, f, stride, nameof(gate_TF));
        Shapes.Rows(up_TF.Length, tokens, f, stride, nameof(up_TF));
        fixed (float* gate = gate_TF, up = up_TF, y = y_TF)
        {
            var work = new ForwardWork(gate, up, stride, y, new RowBands(tokens, f), f);
            team.Run(work.Bands.Items, ref work);
        }
    }

    /// <summary>dgate = dy up σ (1 + gate (1 - σ)), dup = dy gate σ with σ = 1 / (1 + e^-gate).</summary>
    /// <param name="gate_TF">As in the forward pass.</param>
    /// <param name="up_TF">As in the forward pass.</param>
    /// <param name="stride">Of gate and up.</param>
    /// <param name="dy_TF">Shape [T, F].</param>
    /// <param name="dgate_TF">Rows of F at <paramref name="dStride"/>; written; may be gate itself.</param>
    /// <param name="dup_TF">Likewise; may be up itself.</param>
    /// <param name="dStride">Of dgate and dup.</param>
    /// <param name="tokens">T.</param>
    /// <param name="team">The threads.</param>
    public static void Backward(ReadOnlySpan<float> gate_TF, ReadOnlySpan<float> up_TF, int stride, ReadOnlySpan<float> dy_TF, Span<float> dgate_TF, Span<float> dup_TF, int dStride, int tokens, ThreadTeam team)
    {
        int f = Width(dy_TF.Length, tokens);
        Shapes.Rows(gate_TF.Length, tokens, f, stride, nameof(gate_TF));
        Shapes.Rows(up_TF.Length, tokens, f, stride, nameof(up_TF));
        Shapes.Rows(dgate_TF.Length, tokens, f, dStride, nameof(dgate_TF));
        Shapes.Rows(dup_TF.Length, tokens, f, dStride, nameof(dup_TF));
        fixed (float* gate = gate_TF, up = up_TF, dy = dy_TF, dgate = dgate_TF, dup = dup_TF)
        {
            var work = new BackwardWork(gate, up, stride, dy, dgate, dup, dStride, new RowBands(tokens, f), f);
            team.Run(work.Bands.Items, ref work);
        }
    }

    private static int Width(int length, int tokens)
    {
        int f = tokens == 0 ? 0 : length / tokens;
        Shapes.Equal(length, (long)f * tokens, nameof(tokens));
        return f;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sigmoid(Vector512<float> g) => Vector512<float>.One / (Vector512<float>.One + Elementary.Exp(-g));

    private readonly struct ForwardWork(float* gate, float* up, nint stride, float* y, RowBands bands, int f) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* gate_F = gate + t * stride, up_F = up + t * stride, y_F = y + (nint)t * f;
                int i = 0;
                for (; i + 16 <= f; i += 16)
                    Of(Vector512.Load(gate_F + i), Vector512.Load(up_F + i)).Store(y_F + i);
                if (i < f)
                    Lanes.StorePart(Of(Lanes.LoadPart(gate_F + i, f - i), Lanes.LoadPart(up_F + i, f - i)), y_F + i, f - i);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Of(Vector512<float> gate, Vector512<float> up) => gate * Sigmoid(gate) * up;
    }

    private readonly struct BackwardWork(float* gate, float* up, nint stride, float* dy, float* dgate, float* dup, nint dStride, RowBands bands, int f) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* gate_F = gate + t * stride, up_F = up + t * stride, dy_F = dy + (nint)t * f;
                float* dgate_F = dgate + t * dStride, dup_F = dup + t * dStride;
                int i = 0;
                for (; i + 16 <= f; i += 16)
                {
                    (Vector512<float> dg, Vector512<float> du) = Of(Vector512.Load(gate_F + i), Vector512.Load(up_F + i), Vector512.Load(dy_F + i));
                    dg.Store(dgate_F + i);
                    du.Store(dup_F + i);
                }
                if (i < f)
                {
                    (Vector512<float> dg, Vector512<float> du) = Of(Lanes.LoadPart(gate_F + i, f - i), Lanes.LoadPart(up_F + i, f - i), Lanes.LoadPart(dy_F + i, f - i));
                    Lanes.StorePart(dg, dgate_F + i, f - i);
                    Lanes.StorePart(du, dup_F + i, f - i);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static (Vector512<float> DGate, Vector512<float> DUp) Of(Vector512<float> gate, Vector512<float> up, Vector512<float> dy)
        {
            Vector512<float> sigma = Sigmoid(gate), slope = sigma * Fused.MultiplyAdd(gate, Vector512<float>.One - sigma, Vector512<float>.One);
            return (dy * up * slope, dy * (gate * sigma));
        }
    }
}
