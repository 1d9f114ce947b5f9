using System.Collections.Immutable;

namespace GrpoActors.Formats.Safetensors;

/// <summary>Where one tensor lies in a file.</summary>
/// <param name="Type">The header's dtype, for example <c>BF16</c>.</param>
/// <param name="Shape">Row-major; empty for a scalar.</param>
/// <param name="Elements">Product of <paramref name="Shape"/>.</param>
/// <param name="Offset">Of the first byte, from the start of the file.</param>
public sealed record TensorEntry(string Name, string Type, ImmutableArray<long> Shape, long Elements, long Offset, long ByteLength)
{
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}
