using System.Collections.Immutable;

namespace GrpoActors.Formats.HuggingFace;

/// <summary>A model's configuration cannot be used. All that is wrong at once, one sentence each: file, key, expected, found.</summary>
public sealed class HuggingFaceFormatException : FormatException
{
    public HuggingFaceFormatException(ImmutableArray<string> problems)
        : base(string.Join('\n', problems)) => Problems = problems;

    public ImmutableArray<string> Problems { get; }
}
