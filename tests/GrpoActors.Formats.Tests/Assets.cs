namespace GrpoActors.Formats.Tests;

/// <summary>Files too large for this repository: under the environment variable GRPO_ASSETS, or in <c>shared</c> beside the repository.</summary>
internal static class Assets
{
    public static string RepositoryRoot { get; } = FindRoot();

    public static string? Find(string relative) => new[] { Environment.GetEnvironmentVariable("GRPO_ASSETS"), Path.Combine(RepositoryRoot, "..", "shared") }
        .Where(root => !string.IsNullOrEmpty(root)).Select(root => Path.Combine(root!, relative)).FirstOrDefault(path => File.Exists(path) || Directory.Exists(path));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "GrpoActors.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The tests run from within the repository.");
    }
}

/// <summary>Skipped, with the reason, where an asset is absent.</summary>
internal sealed class AssetFactAttribute : FactAttribute
{
    public AssetFactAttribute(string relative)
    {
        if (Assets.Find(relative) is null)
        {
            Skip = $"{relative} is neither under GRPO_ASSETS nor in ../shared.";
        }
    }
}
