namespace GrpoActors.Hub;

/// <summary>Where models lie on this machine.</summary>
public static class ModelFolders
{
    /// <summary>A folder under which assets are looked for: models/NAME.</summary>
    public const string AssetsVariable = "GRPO_ASSETS";

    private const string ConfigFile = "config.json";

    /// <summary>
    /// The folder that a path means: itself; or, where there is none, the model OWNER/NAME that its last two parts name: as pulled into the
    /// Hub's cache, else <c>models/NAME</c> (or in lower case) under GRPO_ASSETS.
    /// </summary>
    /// <returns>The path itself if nothing is found: whoever reads it says so.</returns>
    public static string Find(string path) => Find(path, HubCache.DefaultFolder(), Environment.GetEnvironmentVariable(AssetsVariable));

    /// <inheritdoc cref="Find(string)"/>
    /// <param name="assets">Null: nowhere else.</param>
    public static string Find(string path, string hubCache, string? assets)
    {
        if (Directory.Exists(path))
        {
            return path;
        }

        string[] parts = path.Split(['/', '\\'], StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length < 2)
        {
            return path;
        }

        string owner = parts[^2], name = parts[^1].Split('@')[0], revision = parts[^1].Contains('@') ? parts[^1].Split('@')[1] : HubCache.DefaultRevision;
        string?[] candidates =
        [
            new HubCache(hubCache).Snapshot(owner, name, revision),
            assets is { Length: > 0 } ? Path.Combine(assets, "models", name) : null,
            assets is { Length: > 0 } ? Path.Combine(assets, "models", name.ToLowerInvariant()) : null,
        ];
        return candidates.OfType<string>().FirstOrDefault(folder => File.Exists(Path.Combine(folder, ConfigFile))) ?? path;
    }
}
