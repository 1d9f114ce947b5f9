using GrpoActors.Engine.Models;

namespace GrpoActors.Engine.Cpu;

/// <summary>One number for each weight of a model, in one flat buffer: weights, their gradients, or a moment. All zeros at first.</summary>
/// <remarks>
/// Weights may have readers beside their owner: those of a published version. They are counted, and whoever wants to change the weights looks first
/// (<see cref="IsRead"/>) and takes a copy if somebody reads. The memory goes when owner and readers have let go.
/// </remarks>
internal sealed class ParameterSet(ModelLayout layout) : IDisposable
{
    private readonly NativeFloats _memory = new(layout.BufferLength);
    private Func<TensorLayout, ReadOnlyMemory<float>>? _memoryOf;
    private int _holders = 1;

    public ModelLayout Layout { get; } = layout;

    /// <summary>Shape [layout.BufferLength].</summary>
    public Span<float> Values => _memory.Span;

    public Span<float> this[TensorLayout tensor] => Values.Slice(tensor.Offset, tensor.Length);

    /// <summary>Fused tensors: from the first element of one to the last of another that follows it.</summary>
    public Span<float> this[TensorLayout first, TensorLayout last] => Values[first.Offset..(last.Offset + last.Length)];

    /// <summary>Somebody holds it beside the owner.</summary>
    public bool IsRead => Volatile.Read(ref _holders) > 1;

    public ReadOnlyMemory<float> Memory(TensorLayout tensor) => View(tensor);

    /// <summary><see cref="Memory(TensorLayout)"/>, made once: an update allocates nothing.</summary>
    public Func<TensorLayout, ReadOnlyMemory<float>> MemoryOf => _memoryOf ??= Memory;

    /// <summary>Fused tensors, as above.</summary>
    public ReadOnlyMemory<float> Memory(TensorLayout first, TensorLayout last) => _memory.Memory[first.Offset..(last.Offset + last.Length)];

    /// <summary>Views, not copies; in ordinal order of names.</summary>
    public IReadOnlyList<NamedTensor> Named(string suffix = "")
        => [.. Layout.Tensors.Select(tensor => new NamedTensor(tensor.Name + suffix, tensor.Shape, View(tensor)))];

    /// <summary>One more holder, until what is returned is disposed.</summary>
    public IDisposable Hold()
    {
        Interlocked.Increment(ref _holders);
        return new Holder(this);
    }

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
        Values.CopyTo(copy.Values);
        return copy;
    }

    /// <summary>The owner, or whoever it has passed this on to, lets go. Once.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
        {
            _memory.Dispose();
        }
    }

    private Memory<float> View(TensorLayout tensor) => _memory.Memory.Slice(tensor.Offset, tensor.Length);

    private sealed class Holder(ParameterSet held) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                held.Dispose();
            }
        }
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
