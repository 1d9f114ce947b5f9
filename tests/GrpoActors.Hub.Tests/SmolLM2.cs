using Xunit;

namespace GrpoActors.Hub.Tests;

/// <summary>The real model, which this repository does not hold: under GRPO_ASSETS, or in the user's cache.</summary>
public static class SmolLM2
{
    private const string Name = "models/smollm2-135m-instruct";

    public static string? Folder { get; } = Roots().Select(root => Path.Combine(root, Name)).FirstOrDefault(folder => File.Exists(Path.Combine(folder, "model.safetensors")));

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("GRPO_ASSETS") is { Length: > 0 } assets)
        {
            yield return assets;
        }

        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        yield return Path.Combine(cache is { Length: > 0 } ? cache : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "grpo-actors");
    }
}

[AttributeUsage(AttributeTargets.Method)]
public sealed class SmolLM2FactAttribute : FactAttribute
{
    public SmolLM2FactAttribute()
    {
        if (SmolLM2.Folder is null)
        {
            Skip = "SmolLM2-135M-Instruct is not on this machine: set GRPO_ASSETS to a folder that holds models/smollm2-135m-instruct.";
        }
    }
}
