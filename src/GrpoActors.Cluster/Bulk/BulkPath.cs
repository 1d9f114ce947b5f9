using System.Globalization;
using System.Text.RegularExpressions;
using GrpoActors.Core;

namespace GrpoActors.Cluster.Bulk;

/// <summary>What a path of the bulk service asks for. Anything but exactly these forms is no path of it.</summary>
internal abstract partial record BulkPath
{
    private BulkPath()
    {
    }

    /// <summary><c>/contents/{64 lower-case hexadecimal digits}</c>.</summary>
    public sealed record Content(Digest Sha256) : BulkPath;

    /// <summary><c>/weights/{version}</c>.</summary>
    public sealed record Weights(long Version) : BulkPath;

    public static BulkPath? Of(string path)
    {
        Match match = Forms().Match(path);
        if (!match.Success)
        {
            return null;
        }

        if (match.Groups["sha"] is { Success: true } sha)
        {
            return new Content(Digest.Parse(sha.Value));
        }

        return long.TryParse(match.Groups["version"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long steps) ? new Weights(steps) : null;
    }

    [GeneratedRegex(
        @"\A/(contents/(?<sha>[0-9a-f]{64})|weights/(?<version>0|[1-9][0-9]{0,18}))\z", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Forms();
}
