using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>Random starting weights, each a function of (key, tensor, element) alone.</summary>
public static class KeyedNormal
{
    private const double Scale = 1.0 / 4294967296.0;

    /// <summary>w = deviation times a standard normal: <see cref="PhiloxBlock.Normal"/> at counter (tensor, element low, element high, 0).</summary>
    public static void Fill(Span<float> w, double deviation, ulong key, uint tensor)
    {
        int element = 0;
        for (; element + 8 <= w.Length; element += 8)
            Eight(w.Slice(element, 8), deviation, key, tensor, (uint)element);
        for (; element < w.Length; element++)
            w[element] = (float)(deviation * Philox.Block(key, tensor, (uint)element, 0, 0).Normal);
    }

    /// <summary>Eight normals at once: a logarithm and a cosine cost as much as for one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight(Span<float> w, double deviation, ulong key, uint tensor, uint first)
    {
        Vector512<double> word0 = default, word1 = default;
        for (int i = 0; i < 8; i++)
        {
            PhiloxBlock block = Philox.Block(key, tensor, first + (uint)i, 0, 0);
            word0 = word0.WithElement(i, block.Word0 + 1.0);
            word1 = word1.WithElement(i, block.Word1);
        }
        Vector512<double> radius = Vector512.Sqrt(Elementary.Log(word0 * Scale) * -2.0);
        Vector512<double> normal = radius * Elementary.Cos(word1 * Scale * 6.283185307179586);
        for (int i = 0; i < 8; i++)
            w[i] = (float)(deviation * (float)normal.GetElement(i));
    }
}
