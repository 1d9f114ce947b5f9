namespace GrpoActors.Numerics.Tests;

/// <summary>The plain float64 form of each kernel: the oracle, written to be read.</summary>
internal static class Reference
{
    public static double[] RmsNorm(double[] x_TD, double[] weight_D, double epsilon)
    {
        int d = weight_D.Length;
        var y_TD = new double[x_TD.Length];
        for (int t = 0; t < x_TD.Length / d; t++)
        {
            double squares = 0;
            for (int i = 0; i < d; i++)
                squares += x_TD[(t * d) + i] * x_TD[(t * d) + i];
            for (int i = 0; i < d; i++)
                y_TD[(t * d) + i] = x_TD[(t * d) + i] / Math.Sqrt((squares / d) + epsilon) * weight_D[i];
        }
        return y_TD;
    }

    public static double[] SwiGlu(double[] gate, double[] up)
    {
        var y = new double[gate.Length];
        for (int i = 0; i < y.Length; i++)
            y[i] = gate[i] / (1 + Math.Exp(-gate[i])) * up[i];
        return y;
    }

    public static double[] Rope(double[] x_THN, int heads, int n, int[] position_T, double[] inverseFrequency)
    {
        var y = new double[x_THN.Length];
        for (int t = 0; t < position_T.Length; t++)
        {
            for (int head = 0; head < heads; head++)
            {
                for (int i = 0; i < n / 2; i++)
                {
                    int first = (((t * heads) + head) * n) + i, second = first + (n / 2);
                    (double sin, double cos) = Math.SinCos(position_T[t] * inverseFrequency[i]);
                    y[first] = (x_THN[first] * cos) - (x_THN[second] * sin);
                    y[second] = (x_THN[second] * cos) + (x_THN[first] * sin);
                }
            }
        }
        return y;
    }

    public static double[] Attention(int heads, int kvHeads, int n, int[] offsets, double[] q_THN, double[] k_TKN, double[] v_TKN)
    {
        var o = new double[q_THN.Length];
        for (int s = 0; s + 1 < offsets.Length; s++)
        {
            for (int i = offsets[s]; i < offsets[s + 1]; i++)
            {
                for (int head = 0; head < heads; head++)
                {
                    int kvHead = head / (heads / kvHeads);
                    var p = new double[i - offsets[s] + 1];
                    for (int j = offsets[s]; j <= i; j++)
                    {
                        double score = 0;
                        for (int m = 0; m < n; m++)
                            score += q_THN[(((i * heads) + head) * n) + m] * k_TKN[(((j * kvHeads) + kvHead) * n) + m];
                        p[j - offsets[s]] = score / Math.Sqrt(n);
                    }
                    double max = p.Max(), sum = 0;
                    for (int j = 0; j < p.Length; j++)
                        sum += p[j] = Math.Exp(p[j] - max);
                    for (int j = 0; j < p.Length; j++)
                    {
                        for (int m = 0; m < n; m++)
                            o[(((i * heads) + head) * n) + m] += p[j] / sum * v_TKN[((((offsets[s] + j) * kvHeads) + kvHead) * n) + m];
                    }
                }
            }
        }
        return o;
    }

    public static (double[] LogProb, double[] Entropy) LogProbs(double[] logits_TV, int[] target_T, double temperature)
    {
        int v = logits_TV.Length / target_T.Length;
        var logProb = new double[target_T.Length];
        var entropy = new double[target_T.Length];
        for (int t = 0; t < target_T.Length; t++)
        {
            double[] z = logits_TV.Skip(t * v).Take(v).Select(x => x / temperature).ToArray();
            double max = z.Max(), logSum = Math.Log(z.Sum(x => Math.Exp(x - max)));
            logProb[t] = z[target_T[t]] - max - logSum;
            entropy[t] = -z.Sum(x => Math.Exp(x - max - logSum) * (x - max - logSum));
        }
        return (logProb, entropy);
    }
}
