using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>What the kernels of this process are.</summary>
public static class KernelTraits
{
    /// <summary>Raised whenever a kernel's bits change.</summary>
    public const string Revision = "1";

    /// <summary>Width of the vectors in use: 512, 256 or 128. No bit depends on it.</summary>
    public static int VectorBits => Hardware.Current.VectorBits;

    /// <summary>Whether multiply-add is fused in hardware; otherwise it is emulated, slowly, with the same bits.</summary>
    public static bool Fma => Hardware.Current.Fma;

    /// <summary>e^difference: the ratio of two probabilities from their log-probs.</summary>
    public static double Ratio(double logDifference) => Elementary.Exp(logDifference);
}
