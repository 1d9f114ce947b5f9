using System.Text.Json;
using Xunit;

namespace GrpoActors.Text.Templates.Tests;

/// <summary>
/// Other people's templates and tokenizer folders, which this repository does not hold. Looked for under GRPO_ASSETS, then in a folder
/// <c>shared</c> beside the repository, tokenizer folders also in the user's cache.
/// </summary>
internal static class PublishedAssets
{
    public static string? Find(params string[] relativePaths) => Roots()
        .SelectMany(root => relativePaths.Select(path => Path.Combine(root, path)))
        .FirstOrDefault(File.Exists);

    public static JsonDocument Read(params string[] relativePaths) => JsonDocument.Parse(File.ReadAllBytes(Find(relativePaths)!));

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("GRPO_ASSETS") is { Length: > 0 } assets)
        {
            yield return assets;
        }
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "GrpoActors.sln")))
            {
                yield return Path.Combine(folder.FullName, "..", "shared");
            }
        }
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        yield return Path.Combine(cache is { Length: > 0 } ? cache : Path.Combine(home, ".cache"), "grpo-actors");
    }
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class AssetFactAttribute : FactAttribute
{
    public AssetFactAttribute(params string[] relativePaths)
    {
        if (PublishedAssets.Find(relativePaths) is null)
        {
            Skip = $"{relativePaths[0]} is not on this machine: set GRPO_ASSETS to a folder that holds it.";
        }
    }
}
