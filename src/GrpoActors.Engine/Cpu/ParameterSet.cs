using GrpoActors.Engine.Models;

namespace GrpoActors.Engine.Cpu;

/// <summary>One number for each weight of a model, in one flat buffer: weights, their gradients, or a moment.</summary>
internal sealed class ParameterSet(ModelLayout layout)
{
    public ModelLayout Layout { get; } = layout;

    /// <summary>Shape [layout.BufferLength].</summary>
    public float[] Values { get; } = new float[layout.BufferLength];

    public Span<float> this[TensorLayout tensor] => Values.AsSpan(tensor.Offset, tensor.Length);

    /// <summary>Fused tensors: from the first element of one to the last of another that follows it.</summary>
    public Span<float> this[TensorLayout first, TensorLayout last] => Values.AsSpan(first.Offset, last.Offset + last.Length - first.Offset);

    public ReadOnlyMemory<float> Memory(TensorLayout tensor) => Values.AsMemory(tensor.Offset, tensor.Length);

    /// <summary>Fused tensors, as above.</summary>
    public ReadOnlyMemory<float> Memory(TensorLayout first, TensorLayout last) => Values.AsMemory(first.Offset, last.Offset + last.Length - first.Offset);

    /// <summary>Views, not copies; in ordinal order of names.</summary>
    public IReadOnlyList<NamedTensor> Named(string suffix = "")
        => [.. Layout.Tensors.Select(tensor => new NamedTensor(tensor.Name + suffix, tensor.Shape, Values.AsMemory(tensor.Offset, tensor.Length)))];

    /// <exception cref="ArgumentException">A tensor is missing, unknown or of another shape.</exception>
    public void CopyFrom(IReadOnlyList<NamedTensor> tensors)
    {
        NamedTensors found = new(Layout, tensors);
        foreach (TensorLayout tensor in Layout.Tensors)
        {
            found[tensor].Span.CopyTo(this[tensor]);
        }
    }

    public ParameterSet Copy()
    {
        var copy = new ParameterSet(Layout);
        Values.CopyTo(copy.Values, 0);
        return copy;
    }
}

/// <summary>Weights by name, checked against a model: nothing missing, nothing unknown, every shape right.</summary>
internal sealed class NamedTensors
{
    private readonly Dictionary<string, NamedTensor> _byName;

    /// <exception cref="ArgumentException">A tensor is missing, unknown or of another shape.</exception>
    public NamedTensors(ModelLayout layout, IReadOnlyList<NamedTensor> tensors)
    {
        _byName = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        foreach (TensorLayout expected in layout.Tensors)
        {
            if (!_byName.TryGetValue(expected.Name, out NamedTensor? found))
            {
                throw new ArgumentException($"The weights lack tensor {expected.Name} of shape [{string.Join(", ", expected.Shape)}].", nameof(tensors));
            }

            if (!found.Shape.AsSpan().SequenceEqual(expected.Shape) || found.Values.Length != expected.Length)
            {
                throw new ArgumentException(
                    $"Tensor {found.Name} has shape [{string.Join(", ", found.Shape)}]; the model's configuration makes it [{string.Join(", ", expected.Shape)}].", nameof(tensors));
            }
        }

        if (_byName.Count > layout.Tensors.Count)
        {
            var known = layout.Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
            throw new ArgumentException(
                $"The weights hold tensors that a {layout.Spec.ModelType} model with this configuration does not have: {string.Join(", ", _byName.Keys.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal).Take(5))}.",
                nameof(tensors));
        }
    }

    public ReadOnlyMemory<float> this[TensorLayout tensor] => _byName[tensor.Name].Values;
}
