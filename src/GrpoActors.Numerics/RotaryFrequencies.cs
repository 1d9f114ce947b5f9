using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>Radians per position of each pair of a rotary embedding: what <see cref="Rope.Tables"/> takes.</summary>
/// <remarks>Source: Hugging Face transformers, modeling_rope_utils.py.</remarks>
public static class RotaryFrequencies
{
    /// <summary>theta^(-2i/N).</summary>
    /// <param name="inverse_N2">Shape [N/2]; written.</param>
    public static void Default(double theta, Span<double> inverse_N2)
    {
        for (int i = 0; i < inverse_N2.Length; i++)
            inverse_N2[i] = 1 / Elementary.Pow(theta, (double)i / inverse_N2.Length);
    }

    /// <summary>Positions <paramref name="factor"/> times as close. In place.</summary>
    public static void Linear(Span<double> inverse_N2, double factor)
    {
        for (int i = 0; i < inverse_N2.Length; i++)
            inverse_N2[i] /= factor;
    }

    /// <summary>Llama 3: wavelengths above original/low are stretched by the factor, those below original/high are not, and between the two it blends. In place.</summary>
    /// <param name="originalContext">Positions of the model before it was stretched.</param>
    public static void Llama3(Span<double> inverse_N2, double factor, double lowFrequencyFactor, double highFrequencyFactor, double originalContext)
    {
        for (int i = 0; i < inverse_N2.Length; i++)
        {
            double frequency = inverse_N2[i], turns = originalContext * frequency / (2 * Math.PI);
            double blend = Math.Clamp((turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor), 0, 1);
            inverse_N2[i] = ((1 - blend) * frequency / factor) + (blend * frequency);
        }
    }
}
