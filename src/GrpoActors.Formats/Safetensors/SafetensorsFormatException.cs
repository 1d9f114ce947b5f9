namespace GrpoActors.Formats.Safetensors;

/// <summary>A weight file cannot be used. The message is one sentence: which file, what was expected, what was found, and where it helps what to do.</summary>
public sealed class SafetensorsFormatException : FormatException
{
    public SafetensorsFormatException(string path, string problem)
        : base($"{path}: {problem}")
    {
    }
}
