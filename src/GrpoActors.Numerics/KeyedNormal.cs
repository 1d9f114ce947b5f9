using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>Random starting weights, each a function of (key, tensor, element) alone.</summary>
public static class KeyedNormal
{
    /// <summary>w = deviation times a standard normal: Philox at counter (tensor, element low, element high, 0).</summary>
    public static void Fill(Span<float> w, double deviation, ulong key, uint tensor)
    {
        for (int element = 0; element < w.Length; element++)
            w[element] = (float)(deviation * Philox.Block(key, tensor, (uint)element, 0, 0).Normal);
    }
}
