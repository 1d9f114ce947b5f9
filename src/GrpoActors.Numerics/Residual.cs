using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GrpoActors.Numerics;

/// <summary>x += y, element by element.</summary>
public static unsafe class Residual
{
    /// <summary>Adds y to x.</summary>
    public static void Add(Span<float> x, ReadOnlySpan<float> y, ThreadTeam team)
    {
        Shapes.Equal(y.Length, x.Length, nameof(y));
        fixed (float* px = x, py = y)
            Run(px, py, x.Length, clears: false, team);
    }

    /// <summary>Adds y to x and leaves y all zeros.</summary>
    public static void Move(Span<float> x, Span<float> y, ThreadTeam team)
    {
        Shapes.Equal(y.Length, x.Length, nameof(y));
        fixed (float* px = x, py = y)
            Run(px, py, x.Length, clears: true, team);
    }

    private static void Run(float* x, float* y, nint length, bool clears, ThreadTeam team)
    {
        var work = new AddWork(x, y, clears, new Runs(length));
        team.Run(work.Runs.Items, ref work);
    }

    private readonly struct AddWork(float* x, float* y, bool clears, Runs runs) : ITeamWork
    {
        public Runs Runs => runs;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            nint start = runs.Start(item), end = runs.End(item), i = start;
            for (; i + 16 <= end; i += 16)
                (Vector512.Load(x + i) + Vector512.Load(y + i)).Store(x + i);
            for (; i < end; i++)
                x[i] += y[i];
            if (clears)
                new Span<float>(y + start, (int)(end - start)).Clear();
        }
    }
}

/// <summary>The bias of a linear layer.</summary>
public static unsafe class Bias
{
    /// <summary>y_TE += bias_E in every row; rows of y at a stride.</summary>
    public static void Add(Span<float> y_TE, int stride, ReadOnlySpan<float> bias_E, int tokens, ThreadTeam team)
    {
        Shapes.Rows(y_TE.Length, tokens, bias_E.Length, stride, nameof(y_TE));
        fixed (float* y = y_TE, bias = bias_E)
        {
            var work = new AddWork(y, stride, bias, bias_E.Length, new RowBands(tokens, bias_E.Length));
            team.Run(work.Bands.Items, ref work);
        }
    }

    /// <summary>dbias_E += Σ_t dy_TE, one chain over the tokens in order from what is there; rows of dy at a stride.</summary>
    public static void Gradient(ReadOnlySpan<float> dy_TE, int stride, Span<float> dbias_E, int tokens, ThreadTeam team)
    {
        Shapes.Rows(dy_TE.Length, tokens, dbias_E.Length, stride, nameof(dy_TE));
        fixed (float* dy = dy_TE, dbias = dbias_E)
        {
            var work = new GradientWork(dy, stride, dbias, dbias_E.Length, tokens);
            team.Run((dbias_E.Length + GradientWork.Columns - 1) / GradientWork.Columns, ref work);
        }
    }

    private readonly struct AddWork(float* y, nint stride, float* bias, int e, RowBands bands) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* y_E = y + t * stride;
                int i = 0;
                for (; i + 16 <= e; i += 16)
                    (Vector512.Load(y_E + i) + Vector512.Load(bias + i)).Store(y_E + i);
                for (; i < e; i++)
                    y_E[i] += bias[i];
            }
        }
    }

    private readonly struct GradientWork(float* dy, nint stride, float* dbias, int e, int tokens) : ITeamWork
    {
        public const int Columns = 64;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            int end = Math.Min(e, (item + 1) * Columns), i = item * Columns;
            for (; i + 16 <= end; i += 16)
            {
                Vector512<float> sum = Vector512.Load(dbias + i);
                for (int t = 0; t < tokens; t++)
                    sum += Vector512.Load(dy + (t * stride) + i);
                sum.Store(dbias + i);
            }
            for (; i < end; i++)
            {
                float sum = dbias[i];
                for (int t = 0; t < tokens; t++)
                    sum += dy[(t * stride) + i];
                dbias[i] = sum;
            }
        }
    }
}
