using GrpoActors.Numerics;

namespace GrpoActors.Engine.Models;

/// <summary>Angles of the rotary embedding for every position of a model's context.</summary>
/// <param name="Cos_PN2">Shape [context, N / 2]; sin likewise.</param>
internal sealed record RotaryTables(float[] Cos_PN2, float[] Sin_PN2)
{
    /// <summary>Tables for positions 0 .. positions - 1.</summary>
    public static RotaryTables Of(ModelSpec spec, int positions)
    {
        double[] inverse = InverseFrequencies(spec.Rope, spec.HeadDim);
        var tables = new RotaryTables(new float[positions * inverse.Length], new float[positions * inverse.Length]);
        Rope.Tables(inverse, 1, tables.Cos_PN2, tables.Sin_PN2);
        return tables;
    }

    /// <summary>theta^(-2i/N), stretched as the model's configuration says.</summary>
    private static double[] InverseFrequencies(RopeSpec rope, int headDim)
    {
        double[] inverse_N2 = new double[headDim / 2];
        RotaryFrequencies.Default(rope.Theta, inverse_N2);
        switch (rope.Scaling)
        {
            case null:
                break;
            case "linear":
                RotaryFrequencies.Linear(inverse_N2, rope.Factor);
                break;
            case "llama3":
                RotaryFrequencies.Llama3(inverse_N2, rope.Factor, rope.LowFrequencyFactor, rope.HighFrequencyFactor, rope.OriginalContextLength);
                break;
            default:
                throw new UnsupportedModelException([$"rope_scaling: is of type '{rope.Scaling}', which is not supported; linear and llama3 are."]);
        }

        return inverse_N2;
    }
}
