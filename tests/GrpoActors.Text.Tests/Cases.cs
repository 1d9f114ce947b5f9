using System.Globalization;
using FsCheck;

namespace GrpoActors.Text.Tests;

/// <summary>How many cases of a property are tried: the same ones in every run, and others for GRPO_CASES=7.</summary>
internal static class Cases
{
    private const ulong UsualSeed = 20260;

    public static Config Of(int count)
    {
        ulong seed = ulong.TryParse(Environment.GetEnvironmentVariable("GRPO_CASES"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong asked) ? asked : UsualSeed;
        return Config.QuickThrowOnFailure.WithMaxTest(count).WithReplay(new Replay(new Rnd(seed), null));
    }
}
