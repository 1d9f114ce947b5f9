using GrpoActors.Numerics;
using Xunit;

namespace GrpoActors.Engine.Tests;

/// <summary>AdamW alone: fed PyTorch's gradients, so that no error of a gradient hides one of the update.</summary>
/// <remarks>
/// p' = p (1 - lr wd) - lr m / (sqrt(v) + epsilon) where the first step's bias corrections make m = g and v = g^2, g clipped to the norm 1 as by clip_grad_norm_,
/// which divides by norm + 1e-6. Source: torch.optim.AdamW's documentation; Loshchilov and Hutter, arXiv:1711.05101.
/// </remarks>
public sealed class AdamWGoldenTests
{
    private const double LearningRate = 1e-3, Beta1 = 0.9, Beta2 = 0.95, Epsilon = 1e-8, MatrixDecay = 0.1, MaxNorm = 1, ClipEpsilon = 1e-6;

    /// <summary>float32's relative rounding error.</summary>
    private const double Rounding = 1.0 / (1 << 24);

    public static TheoryData<string> Models => [.. GoldenModel.Names];

    /// <summary>
    /// No entry is left out. What remains is the golden's own rounding to float32: half a unit in the last place, 6e-8 for the weights between 1 and 2, which are the greatest.
    /// </summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void In_float64_the_golden_gradients_give_the_golden_weights_within_1e_7(string name)
    {
        using var golden = new GoldenModel(name);
        foreach (NamedTensor tensor in golden.Weights.Tensors)
        {
            double[] updated = Updated(golden, tensor);
            float[] expected = golden.Floats("after." + tensor.Name);
            Assert.Equal(expected.Length, updated.Length);
            for (int i = 0; i < updated.Length; i++)
            {
                Assert.True(Math.Abs(updated[i] - expected[i]) <= 1e-7, $"{tensor.Name}[{i}]: {updated[i]:R} instead of {expected[i]:R}");
            }
        }
    }

    /// <summary>
    /// Roundings of 2^-24 each: of the weight three at most (its decay factor, the product with it, the last sum), and of the step, which is no longer than the
    /// learning rate, sixteen at most (clip and its product, m, v, root, quotients, epsilon and the constants). In all 2^-24 (3 |p| + 16 lr): 2e-7 for a weight of 1.
    /// </summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void The_kernel_is_no_further_from_float64_than_its_roundings(string name)
    {
        using var golden = new GoldenModel(name);
        using var team = new ThreadTeam(2);
        foreach (NamedTensor tensor in golden.Weights.Tensors)
        {
            float[] before = tensor.Values.ToArray(), after = [.. before], m = new float[before.Length], v = new float[before.Length];
            AdamWUpdate update = AdamWUpdate.At(1, LearningRate, Beta1, Beta2, Epsilon, Decay(tensor), (float)Clip(golden));
            AdamW.Step(after, golden.Floats("grad." + tensor.Name), m, v, update, team);
            double[] expected = Updated(golden, tensor);
            for (int i = 0; i < after.Length; i++)
            {
                double bound = Rounding * ((3 * Math.Abs(before[i])) + (16 * LearningRate));
                Assert.True(Math.Abs(after[i] - expected[i]) <= bound, $"{tensor.Name}[{i}]: {after[i]:R} instead of {expected[i]:R}, bound {bound}");
            }
        }
    }

    /// <summary>The first update of a weight, as the paper writes it.</summary>
    private static double[] Updated(GoldenModel golden, NamedTensor tensor)
    {
        ReadOnlySpan<float> weights = tensor.Values.Span;
        float[] gradient = golden.Floats("grad." + tensor.Name);
        double clip = Clip(golden), decay = Decay(tensor);
        double[] updated = new double[weights.Length];
        for (int i = 0; i < updated.Length; i++)
        {
            double g = clip * gradient[i];
            double m = (1 - Beta1) * g, v = (1 - Beta2) * g * g;
            double corrected1 = m / (1 - Beta1), corrected2 = v / (1 - Beta2);
            double decayed = weights[i] - (LearningRate * decay * weights[i]);
            updated[i] = decayed - (LearningRate * corrected1 / (Math.Sqrt(corrected2) + Epsilon));
        }

        return updated;
    }

    private static double Clip(GoldenModel golden) => Math.Min(1, MaxNorm / (golden.GradNorm + ClipEpsilon));

    /// <summary>Matrices and embeddings decay, vectors do not.</summary>
    private static double Decay(NamedTensor tensor) => tensor.Shape.Length > 1 ? MatrixDecay : 0;
}
