using System.Collections.Immutable;

namespace GrpoActors.Formats.Safetensors;

/// <summary>Named tensors on disk: one file, or the shards of a folder. Reading is thread-safe.</summary>
public interface ITensorFiles : IDisposable
{
    /// <summary>File or folder, for messages.</summary>
    string Path { get; }

    /// <summary>In ordinal order of names.</summary>
    ImmutableArray<TensorEntry> Tensors { get; }

    /// <summary>Null where there is no such tensor.</summary>
    TensorEntry? Find(string name);

    /// <summary>Converts F32, F16 or BF16 exactly.</summary>
    /// <param name="destination">Shape [tensor.Elements]; written.</param>
    /// <exception cref="SafetensorsFormatException">Another number of elements, or another dtype.</exception>
    void ReadFloat32(TensorEntry tensor, Span<float> destination);
}

/// <summary>What a loader of models asks of its weights.</summary>
public static class TensorReading
{
    /// <summary>Reads a tensor that must exist, have this shape, and hold finite numbers only.</summary>
    /// <exception cref="SafetensorsFormatException">It does not; the message names the tensor.</exception>
    public static float[] ReadWeights(this ITensorFiles files, string name, ReadOnlySpan<long> shape)
    {
        TensorEntry tensor = files.Find(name)
            ?? throw new SafetensorsFormatException(files.Path, $"there is no tensor '{name}', which the model's config.json calls for.");
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{name}' has shape {tensor.ShapeText}, and the model's config.json calls for [{string.Join(", ", shape.ToArray())}].");
        }

        if (tensor.Elements > Array.MaxLength)
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{name}' has {tensor.Elements} elements, and at most {Array.MaxLength} are supported.");
        }

        float[] values = GC.AllocateUninitializedArray<float>((int)tensor.Elements);
        files.ReadFloat32(tensor, values);
        files.RefuseNotFinite(name, values);
        return values;
    }

    /// <exception cref="SafetensorsFormatException">A value is NaN or infinite.</exception>
    public static void RefuseNotFinite(this ITensorFiles files, string name, ReadOnlySpan<float> values)
    {
        int at = FloatConversion.FirstNotFinite(values);
        if (at >= 0)
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{name}' holds {values[at]} at element {at} of {values.Length}; such weights give no finite output, so fetch or export the model again.");
        }
    }
}
