using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>What the log-softmax of one row needs: z_v = logit_v / temperature, log π_v = (z_v - Max) - LogSum.</summary>
/// <param name="Max">max_v z_v.</param>
/// <param name="Sum">Σ_v e^(z_v - Max).</param>
/// <param name="LogSum">log Sum.</param>
/// <param name="Entropy">-Σ_v π_v log π_v, in nats.</param>
public readonly record struct SoftmaxRow(float Max, float Sum, float LogSum, float Entropy);

/// <summary>Log-probabilities over the whole vocabulary, their entropy, and their gradient. One row function for sampler and learner, so their numbers are equal to the bit.</summary>
/// <remarks>
/// The division by the temperature is a product with float(1 / temperature). Sums go in the order of <see cref="Lanes"/>: 16 lanes in blocks of 4,096 of the vocabulary.
/// A row's bits depend on that row alone. Temperature must be above 0.
/// </remarks>
public static unsafe class LogProbs
{
    /// <summary>The statistics of one row of logits, which may be written over with e^(z_v - Max) for sampling.</summary>
    /// <param name="logits_V">Shape [V], V at least 1; finite.</param>
    /// <param name="temperature">Above 0.</param>
    /// <param name="weights_V">Empty, or shape [V]: written with e^(z_v - Max), the probabilities times Sum. May be <paramref name="logits_V"/>.</param>
    public static SoftmaxRow Row(ReadOnlySpan<float> logits_V, float temperature, Span<float> weights_V)
    {
        if (weights_V.Length != 0)
            Shapes.Equal(weights_V.Length, logits_V.Length, nameof(weights_V));
        fixed (float* logits = logits_V, weights = weights_V)
            return Row(logits, logits_V.Length, 1 / temperature, weights);
    }

    /// <summary>log π of one token from its logit and the row's statistics.</summary>
    public static float Of(float logit, float temperature, in SoftmaxRow row) => (logit * (1 / temperature)) - row.Max - row.LogSum;

    /// <summary>Log-probability of each row's target, and each row's entropy and statistics.</summary>
    /// <param name="logits_TV">Shape [T, V] without gaps.</param>
    /// <param name="target_T">Tokens in 0 .. V - 1.</param>
    /// <param name="temperature">Above 0.</param>
    /// <param name="logProb_T">Written.</param>
    /// <param name="entropy_T">Written.</param>
    /// <param name="rows_T">Written; what <see cref="Backward"/> needs.</param>
    /// <param name="team">The threads.</param>
    public static void Forward(ReadOnlySpan<float> logits_TV, ReadOnlySpan<int> target_T, float temperature, Span<float> logProb_T, Span<float> entropy_T, Span<SoftmaxRow> rows_T, ThreadTeam team)
    {
        int tokens = target_T.Length, vocabulary = Vocabulary(logits_TV.Length, target_T);
        Shapes.Equal(logProb_T.Length, tokens, nameof(logProb_T));
        Shapes.Equal(entropy_T.Length, tokens, nameof(entropy_T));
        Shapes.Equal(rows_T.Length, tokens, nameof(rows_T));
        fixed (float* logits = logits_TV, logProb = logProb_T, entropy = entropy_T)
        fixed (int* target = target_T)
        fixed (SoftmaxRow* rows = rows_T)
        {
            var work = new ForwardWork(logits, vocabulary, target, 1 / temperature, logProb, entropy, rows, new RowBands(tokens, vocabulary));
            team.Run(work.Bands.Items, ref work);
        }
    }

    /// <summary>
    /// dLoss/dLogit_v = (1/temperature) ([v = target] a - π_v (a + b (log π_v + H))), with a = dLoss/dLogProb and b = dLoss/dEntropy of the row, H its entropy; in place.
    /// </summary>
    /// <param name="logits_TV">In: the logits of the forward pass. Out: their gradient.</param>
    /// <param name="target_T">As in the forward pass.</param>
    /// <param name="temperature">As in the forward pass.</param>
    /// <param name="rows_T">What the forward pass wrote.</param>
    /// <param name="dLogProb_T">dLoss/dLogProb.</param>
    /// <param name="dEntropy_T">dLoss/dEntropy; empty where the loss does not know the entropy.</param>
    /// <param name="team">The threads.</param>
    public static void Backward(Span<float> logits_TV, ReadOnlySpan<int> target_T, float temperature, ReadOnlySpan<SoftmaxRow> rows_T, ReadOnlySpan<float> dLogProb_T, ReadOnlySpan<float> dEntropy_T, ThreadTeam team)
    {
        int tokens = target_T.Length, vocabulary = Vocabulary(logits_TV.Length, target_T);
        Shapes.Equal(rows_T.Length, tokens, nameof(rows_T));
        Shapes.Equal(dLogProb_T.Length, tokens, nameof(dLogProb_T));
        if (dEntropy_T.Length != 0)
            Shapes.Equal(dEntropy_T.Length, tokens, nameof(dEntropy_T));
        fixed (float* logits = logits_TV, dLogProb = dLogProb_T, dEntropy = dEntropy_T)
        fixed (int* target = target_T)
        fixed (SoftmaxRow* rows = rows_T)
        {
            var work = new BackwardWork(logits, vocabulary, target, 1 / temperature, rows, dLogProb, dEntropy, new RowBands(tokens, vocabulary));
            team.Run(work.Bands.Items, ref work);
        }
    }

    private static int Vocabulary(int length, ReadOnlySpan<int> target_T)
    {
        int vocabulary = target_T.Length == 0 ? 0 : length / target_T.Length;
        Shapes.Equal(length, (long)vocabulary * target_T.Length, "logits_TV");
        foreach (int target in target_T)
        {
            if ((uint)target >= (uint)vocabulary)
                throw new ArgumentOutOfRangeException(nameof(target_T), target, $"The logits have tokens 0 to {vocabulary - 1}.");
        }
        return vocabulary;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static SoftmaxRow Row(float* logits, int vocabulary, float inverse, float* weights)
    {
        // Scaling by a positive number keeps the order, rounding included, so the largest z is the largest logit's.
        float max = Lanes.Max(logits, vocabulary) * inverse;
        Vector512<float> maxima = Vector512.Create(max), inverses = Vector512.Create(inverse);
        double sum = 0, weighted = 0;
        for (int start = 0; start < vocabulary; start += Lanes.Block)
        {
            int end = Math.Min(vocabulary, start + Lanes.Block), i = start;
            Vector512<float> sums = Vector512<float>.Zero, weightedSums = Vector512<float>.Zero;
            for (; i + 16 <= end; i += 16)
            {
                Vector512<float> shifted = (Vector512.Load(logits + i) * inverses) - maxima;
                Vector512<float> e = Elementary.Exp(shifted);
                sums += e;
                weightedSums = Fused.MultiplyAdd(e, shifted, weightedSums);
                if (weights != null)
                    e.Store(weights + i);
            }
            if (i < end)
            {
                Vector512<float> present = Lanes.Present(end - i);
                Vector512<float> shifted = (Lanes.LoadPart(logits + i, end - i) * inverses) - maxima;
                shifted &= present;
                Vector512<float> e = Elementary.Exp(shifted) & present;
                sums += e;
                weightedSums = Fused.MultiplyAdd(e, shifted, weightedSums);
                if (weights != null)
                    Lanes.StorePart(e, weights + i, end - i);
            }
            sum += Lanes.Tree(sums);
            weighted += Lanes.Tree(weightedSums);
        }
        double logSum = Elementary.Log(sum);
        return new(max, (float)sum, (float)logSum, (float)(logSum - (weighted / sum)));
    }

    private readonly struct ForwardWork(float* logits, int vocabulary, int* target, float inverse, float* logProb, float* entropy, SoftmaxRow* rows, RowBands bands) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* logits_V = logits + (nint)t * vocabulary;
                SoftmaxRow row = Row(logits_V, vocabulary, inverse, null);
                rows[t] = row;
                entropy[t] = row.Entropy;
                logProb[t] = (logits_V[target[t]] * inverse) - row.Max - row.LogSum;
            }
        }
    }

    private readonly struct BackwardWork(float* logits, int vocabulary, int* target, float inverse, SoftmaxRow* rows, float* dLogProb, float* dEntropy, RowBands bands) : ITeamWork
    {
        public RowBands Bands => bands;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            for (int t = bands.Start(item); t < bands.End(item); t++)
            {
                float* logits_V = logits + (nint)t * vocabulary;
                SoftmaxRow row = rows[t];
                float a = dLogProb[t], b = dEntropy == null ? 0 : dEntropy[t];
                int chosen = target[t];
                float chosenLogit = logits_V[chosen];
                int i = 0;
                for (; i + 16 <= vocabulary; i += 16)
                    Of(Vector512.Load(logits_V + i), row, a, b).Store(logits_V + i);
                if (i < vocabulary)
                    Lanes.StorePart(Of(Lanes.LoadPart(logits_V + i, vocabulary - i), row, a, b), logits_V + i, vocabulary - i);
                // The target alone has the other term; a (1 - π) is taken in one rounding.
                float logProb = (chosenLogit * inverse) - row.Max - row.LogSum;
                float pi = Elementary.Exp(logProb);
                logits_V[chosen] = (a - (pi * (a + (b * (logProb + row.Entropy))))) * inverse;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Vector512<float> Of(Vector512<float> logit, in SoftmaxRow row, float a, float b)
        {
            Vector512<float> logProb = (logit * inverse) - Vector512.Create(row.Max) - Vector512.Create(row.LogSum);
            Vector512<float> pull = ((logProb + Vector512.Create(row.Entropy)) * b) + Vector512.Create(a);
            return -(Elementary.Exp(logProb) * pull) * inverse;
        }
    }
}
