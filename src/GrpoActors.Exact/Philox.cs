namespace GrpoActors.Exact;

/// <summary>One block of the generator: 128 random bits.</summary>
public readonly record struct PhiloxBlock(uint Word0, uint Word1, uint Word2, uint Word3)
{
    /// <summary>Uniform on [0, 1): the top 24 bits of word 0 times 2^-24, so every value is exact in float.</summary>
    public float Uniform => (Word0 >> 8) * (1f / 16777216f);

    /// <summary>A standard normal by Box and Muller from words 0 and 1, calculated in double and rounded once.</summary>
    public float Normal
    {
        get
        {
            const double scale = 1.0 / 4294967296.0;
            double radius = Math.Sqrt(-2 * Elementary.Log((Word0 + 1.0) * scale));
            return (float)(radius * Elementary.Cos(6.283185307179586 * (Word1 * scale)));
        }
    }
}

/// <summary>Philox4x32-10: random numbers as a pure function of a key and a counter.</summary>
/// <remarks>Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; equal to Random123's philox4x32.</remarks>
public static class Philox
{
    /// <summary>The block of a counter under a key. Key word 0 is the low half of <paramref name="key"/>.</summary>
    public static PhiloxBlock Block(ulong key, uint counter0, uint counter1, uint counter2, uint counter3)
    {
        uint key0 = (uint)key, key1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong product0 = 0xD2511F53UL * counter0;
            ulong product1 = 0xCD9E8D57UL * counter2;
            uint next0 = (uint)(product1 >> 32) ^ counter1 ^ key0;
            uint next2 = (uint)(product0 >> 32) ^ counter3 ^ key1;
            counter1 = (uint)product1;
            counter3 = (uint)product0;
            counter0 = next0;
            counter2 = next2;
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }
        return new(counter0, counter1, counter2, counter3);
    }
}
