using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>y = x / sqrt(mean(x^2) + epsilon) · weight, row by row. Source: Zhang and Sennrich, arXiv:1910.07467; as Hugging Face's LlamaRMSNorm.</summary>
/// <remarks>With rows of one head (T·H rows of N) it is the query and key norm too. D = weight's length; T = invRms' length.</remarks>
public static unsafe class RmsNorm
{
    /// <summary>Writes y_TD and, for the backward pass, invRms_T = 1 / sqrt(mean(x^2) + epsilon). y may be x.</summary>
    public static void Forward(ReadOnlySpan<float> x_TD, ReadOnlySpan<float> weight_D, float epsilon, Span<float> y_TD, Span<float> invRms_T, ThreadTeam team)
    {
        int d = weight_D.Length;
        Shapes.Equal(x_TD.Length, (long)invRms_T.Length * d, nameof(x_TD));
        Shapes.Equal(y_TD.Length, x_TD.Length, nameof(y_TD));
        fixed (float* x = x_TD, w = weight_D, y = y_TD, inv = invRms_T)
        {
            var work = new ForwardWork(x, w, epsilon, y, inv, new RowBands(invRms_T.Length, d), d);
            team.Run(work.Bands.Items, ref work);
        }
    }

    /// <summary>
    /// dx_TD = invRms (dy weight) - x invRms^3 / D · Σ dy weight x (added to what is there where <paramref name="accumulate"/>);
    /// dweight_D += Σ_t dy x invRms, one chain over the tokens in order from the value that is there.
    /// </summary>
    /// <param name="x_TD">The input of the forward pass.</param>
    /// <param name="weight_D">The weight of the forward pass.</param>
    /// <param name="invRms_T">What the forward pass wrote.</param>
    /// <param name="dy_TD">Gradient of the output.</param>
    /// <param name="dx_TD">Gradient of the input; may be <paramref name="dy_TD"/> only where <paramref name="dweight_D"/> is empty.</param>
    /// <param name="dweight_D">Gradient of the weight; empty where it is not wanted.</param>
    /// <param name="accumulate">Whether dx is added to (a residual stream).</param>
    /// <param name="team">The threads.</param>
    public static void Backward(ReadOnlySpan<float> x_TD, ReadOnlySpan<float> weight_D, ReadOnlySpan<float> invRms_T, ReadOnlySpan<float> dy_TD, Span<float> dx_TD, Span<float> dweight_D, bool accumulate, ThreadTeam team)
    {
        int d = weight_D.Length, tokens = invRms_T.Length;
        Shapes.Equal(x_TD.Length, (long)tokens * d, nameof(x_TD));
        Shapes.Equal(dy_TD.Length, x_TD.Length, nameof(dy_TD));
        Shapes.Equal(dx_TD.Length, x_TD.Length, nameof(dx_TD));
        fixed (float* x = x_TD, w = weight_D, inv = invRms_T, dy = dy_TD, dx = dx_TD, dw = dweight_D)
        {
            if (dweight_D.Length != 0)
            {
                Shapes.Equal(dweight_D.Length, d, nameof(dweight_D));
                var weights = new WeightWork(x, inv, dy, dw, tokens, d);
                team.Run((d + WeightWork.Columns - 1) / WeightWork.Columns, ref weights);
            }
            var work = new BackwardWork(x, w, inv, dy, dx, accumulate, new RowBands(tokens, d), d);
            team.Run(work.Bands.Items, ref work);
        }
    }

    private readonly struct ForwardWork(float* x, float* w, float epsilon, float* y, float* invRms, RowBands bands, int d) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* x_D = x + (nint)t * d, y_D = y + (nint)t * d;
                float inv = (float)(1 / Math.Sqrt((Lanes.Reduce<Lanes.DotTerm>(x_D, x_D, d) / d) + epsilon));
                invRms[t] = inv;
                Vector512<float> scale = Vector512.Create(inv);
                int i = 0;
                for (; i + 16 <= d; i += 16)
                    (Vector512.Load(x_D + i) * scale * Vector512.Load(w + i)).Store(y_D + i);
                for (; i < d; i++)
                    y_D[i] = x_D[i] * inv * w[i];
            }
        }
    }

    private readonly struct BackwardWork(float* x, float* w, float* invRms, float* dy, float* dx, bool accumulate, RowBands bands, int d) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* x_D = x + (nint)t * d, dy_D = dy + (nint)t * d, dx_D = dx + (nint)t * d;
                double inv = invRms[t];
                float pull = (float)(-WeightedDot(dy_D, w, x_D, d) * inv * inv * inv / d);
                float scale = invRms[t];
                Vector512<float> scales = Vector512.Create(scale), pulls = Vector512.Create(pull);
                int i = 0;
                for (; i + 16 <= d; i += 16)
                {
                    Vector512<float> value = Fused.MultiplyAdd(Vector512.Load(x_D + i), pulls, Vector512.Load(dy_D + i) * Vector512.Load(w + i) * scales);
                    (accumulate ? Vector512.Load(dx_D + i) + value : value).Store(dx_D + i);
                }
                for (; i < d; i++)
                {
                    float value = Fused.MultiplyAdd(x_D[i], pull, dy_D[i] * w[i] * scale);
                    dx_D[i] = accumulate ? dx_D[i] + value : value;
                }
            }
        }

        /// <summary>Σ (dy w) x in the order of <see cref="Lanes"/>.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static double WeightedDot(float* dy, float* w, float* x, int d)
        {
            double total = 0;
            for (int start = 0; start < d; start += Lanes.Block)
            {
                int end = Math.Min(d, start + Lanes.Block), i = start;
                Vector512<float> sum = Vector512<float>.Zero;
                for (; i + 16 <= end; i += 16)
                    sum = Fused.MultiplyAdd(Vector512.Load(dy + i) * Vector512.Load(w + i), Vector512.Load(x + i), sum);
                if (i < end)
                    sum = Fused.MultiplyAdd(Lanes.LoadPart(dy + i, end - i) * Lanes.LoadPart(w + i, end - i), Lanes.LoadPart(x + i, end - i), sum);
                total += Lanes.Tree(sum);
            }
            return total;
        }
    }

    private readonly struct WeightWork(float* x, float* invRms, float* dy, float* dw, int tokens, int d) : ITeamWork
    {
        public const int Columns = 64;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            int end = Math.Min(d, (item + 1) * Columns);
            for (int i = item * Columns; i < end; i += 16)
            {
                int count = Math.Min(16, end - i);
                if (count == 16)
                {
                    Vector512<float> sum = Vector512.Load(dw + i);
                    for (nint t = 0; t < tokens; t++)
                        sum = Fused.MultiplyAdd(Vector512.Load(dy + (t * d) + i), Vector512.Load(x + (t * d) + i) * Vector512.Create(invRms[t]), sum);
                    sum.Store(dw + i);
                    continue;
                }
                for (int c = i; c < end; c++)
                {
                    float sum = dw[c];
                    for (nint t = 0; t < tokens; t++)
                        sum = Fused.MultiplyAdd(dy[(t * d) + c], x[(t * d) + c] * invRms[t], sum);
                    dw[c] = sum;
                }
            }
        }
    }
}
