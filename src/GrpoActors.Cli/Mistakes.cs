using GrpoActors.Core.Plans;

namespace GrpoActors.Cli;

/// <summary>A mistake of the user outside of the settings: one sentence, exit code 2.</summary>
internal sealed class MistakeException(string message) : Exception(message);

internal static class Mistakes
{
    public static void Write(TextWriter talk, IReadOnlyCollection<ConfigError> errors)
    {
        foreach (ConfigError error in errors)
        {
            talk.WriteLine(error);
        }

        talk.WriteLine(errors.Count == 1 ? "1 mistake; nothing was started." : $"{errors.Count} mistakes; nothing was started.");
    }
}
