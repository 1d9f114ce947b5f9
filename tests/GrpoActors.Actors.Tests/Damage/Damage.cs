using System.Globalization;

namespace GrpoActors.Actors.Tests.Damage;

/// <summary>A file with one bit flipped, or with its end missing.</summary>
/// <param name="Bit">Number of the flipped bit from the beginning of the file; -1: none.</param>
/// <param name="Length">Bytes that are left.</param>
internal readonly record struct Damage(int Bit, int Length)
{
    public byte[] Of(byte[] whole)
    {
        byte[] damaged = whole[..Length];
        if (Bit >= 0)
        {
            damaged[Bit / 8] ^= (byte)(1 << (Bit % 8));
        }

        return damaged;
    }

    public override string ToString() => Bit < 0 ? $"cut to {Length} bytes" : $"bit {Bit % 8} of byte {Bit / 8} flipped";

    /// <summary>Every truncation and every one-bit flip; or, unless GRPO_DAMAGE=all, so many of them, chosen by a fixed seed.</summary>
    public static Damage[] Of(int length, int sample)
    {
        Damage[] all = [.. Enumerable.Range(0, length).Select(left => new Damage(-1, left)), .. Enumerable.Range(0, 8 * length).Select(bit => new Damage(bit, length))];
        if (!All)
        {
            new Random(20260).Shuffle(all);
        }

        return All ? all : all[..Math.Min(sample, all.Length)];
    }

    private static bool All => Environment.GetEnvironmentVariable("GRPO_DAMAGE") == "all";
}

/// <summary>How often damage had which consequence.</summary>
internal sealed class Tally
{
    private readonly SortedDictionary<string, int> counts = new(StringComparer.Ordinal);

    public void Add(string consequence)
    {
        lock (counts)
        {
            counts[consequence] = counts.GetValueOrDefault(consequence) + 1;
        }
    }

    public override string ToString() => string.Join(", ", counts.Select(count => string.Create(CultureInfo.InvariantCulture, $"{count.Value:N0} {count.Key}")));
}
