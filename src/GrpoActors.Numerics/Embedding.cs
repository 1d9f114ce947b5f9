using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GrpoActors.Numerics;

/// <summary>Rows of a table by token: y_TD[t] = w_VD[token_T[t]].</summary>
public static unsafe class Embedding
{
    /// <summary>Gathers the rows.</summary>
    public static void Forward(ReadOnlySpan<float> w_VD, int d, ReadOnlySpan<int> token_T, Span<float> y_TD)
    {
        Check(w_VD.Length, d, token_T);
        Shapes.Equal(y_TD.Length, (long)token_T.Length * d, nameof(y_TD));
        for (int t = 0; t < token_T.Length; t++)
            w_VD.Slice(token_T[t] * d, d).CopyTo(y_TD.Slice(t * d, d));
    }

    /// <summary>dw_VD[token_T[t]] += dy_TD[t], the tokens in order: a row's sum goes on from what is there, whatever the threads.</summary>
    public static void Backward(ReadOnlySpan<float> dy_TD, int d, ReadOnlySpan<int> token_T, Span<float> dw_VD, ThreadTeam team)
    {
        Check(dw_VD.Length, d, token_T);
        Shapes.Equal(dy_TD.Length, (long)token_T.Length * d, nameof(dy_TD));
        fixed (float* dy = dy_TD, dw = dw_VD)
        {
            fixed (int* token = token_T)
            {
                // Each thread adds the tokens whose number is its own modulo the team: rows are never shared.
                int parts = (long)token_T.Length * d < 16384 ? 1 : team.Threads;
                var work = new ScatterWork(dy, d, token, token_T.Length, dw, parts);
                team.Run(parts, ref work);
            }
        }
    }

    private static void Check(int tableLength, int d, ReadOnlySpan<int> token_T)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(d, 1);
        int vocabulary = tableLength / d;
        Shapes.Equal(tableLength, (long)vocabulary * d, "w_VD");
        foreach (int token in token_T)
        {
            if ((uint)token >= (uint)vocabulary)
                throw new ArgumentOutOfRangeException(nameof(token_T), token, $"The embedding has tokens 0 to {vocabulary - 1}.");
        }
    }

    private readonly struct ScatterWork(float* dy, int d, int* token, int tokens, float* dw, int parts) : ITeamWork
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int item, int worker)
        {
            for (int t = 0; t < tokens; t++)
            {
                if (token[t] % parts != item)
                    continue;
                float* from = dy + (nint)t * d, to = dw + (nint)token[t] * d;
                int i = 0;
                for (; i + 16 <= d; i += 16)
                    (Vector512.Load(to + i) + Vector512.Load(from + i)).Store(to + i);
                for (; i < d; i++)
                    to[i] += from[i];
            }
        }
    }
}
