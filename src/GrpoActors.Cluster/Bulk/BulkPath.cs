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

    /// <summary><c>/checkpoints/step-000200/{manifest.json, weights.safetensors or optimizer.safetensors}</c> or <c>/checkpoints/reference-….safetensors</c>.</summary>
    /// <param name="Folder">Null: the file lies beside the folders of the steps.</param>
    public sealed record Checkpoint(string? Folder, string File) : BulkPath;

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

        if (match.Groups["version"] is { Success: true } version)
        {
            return long.TryParse(version.Value, NumberStyles.None, CultureInfo.InvariantCulture, out long steps) ? new Weights(steps) : null;
        }

        return match.Groups["step"] is { Success: true } step ? new Checkpoint(step.Value, match.Groups["file"].Value) : new Checkpoint(null, match.Groups["reference"].Value);
    }

    // The names are listed, so no path can leave the folder or reach a file that only lies there (.part, a stranger's).
    [GeneratedRegex("""
        \A/(contents/(?<sha>[0-9a-f]{64})
        |weights/(?<version>0|[1-9][0-9]{0,18})
        |checkpoints/((?<step>step-[0-9]{6,19})/(?<file>manifest\.json|weights\.safetensors|optimizer\.safetensors)|(?<reference>reference-[0-9a-f]{1,64}(-b)?\.safetensors)))\z
        """, RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Forms();
}
