using System.Runtime.InteropServices;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace GrpoActors.Engine.Torch;

/// <summary>The tensors of one layer; null where the model has none. Shapes as in <see cref="LayerLayout"/>.</summary>
internal sealed record LayerTensors(
    Tensor InputNorm, Tensor Q, Tensor K, Tensor V, Tensor? QBias, Tensor? KBias, Tensor? VBias,
    Tensor? QNorm, Tensor? KNorm, Tensor Output, Tensor PostNorm, Tensor Gate, Tensor Up, Tensor Down);

/// <summary>A policy's weights on a device, in ordinal order of names.</summary>
internal sealed class TorchWeights : IDisposable
{
    private readonly Dictionary<string, Tensor> _byName = new(StringComparer.Ordinal);

    /// <param name="dtype">What they are held in; trained weights are float32.</param>
    /// <param name="learns">They collect gradients.</param>
    public TorchWeights(ModelLayout layout, IReadOnlyList<NamedTensor> values, Device device, ScalarType dtype, bool learns)
    {
        Layout = layout;
        var given = new NamedTensors(layout, values);
        using (no_grad())
        {
            foreach (TensorLayout tensor in layout.Tensors)
            {
                using var scope = NewDisposeScope();
                Tensor held = ToDevice(tensor.Shape, given[tensor], device, dtype);
                _byName[tensor.Name] = held.DetachFromDisposeScope();
            }
        }

        if (learns)
        {
            foreach (Tensor tensor in _byName.Values)
            {
                tensor.requires_grad_(true);
            }
        }

        Embedding = _byName[layout.Embedding.Name];
        FinalNorm = _byName[layout.FinalNorm.Name];
        Head = _byName[layout.Head.Name];
        Layers = [.. layout.Layers.Select(Of)];
    }

    public ModelLayout Layout { get; }

    /// <summary>Shape [V, D].</summary>
    public Tensor Embedding { get; }

    public Tensor FinalNorm { get; }

    /// <summary>Shape [V, D]; the embedding itself where the head is tied.</summary>
    public Tensor Head { get; }

    public IReadOnlyList<LayerTensors> Layers { get; }

    public Tensor this[string name] => _byName[name];

    /// <summary>Writes over the values.</summary>
    /// <exception cref="ArgumentException">A tensor is missing, unknown or of another shape.</exception>
    public void CopyFrom(IReadOnlyList<NamedTensor> values)
    {
        var given = new NamedTensors(Layout, values);
        foreach (TensorLayout tensor in Layout.Tensors)
        {
            Fill(_byName[tensor.Name], given[tensor]);
        }
    }

    /// <summary>Copies in the host's memory.</summary>
    public NamedTensor[] ToHost(string suffix = "") =>
        [.. Layout.Tensors.Select(tensor => new NamedTensor(tensor.Name + suffix, tensor.Shape, ToHost(_byName[tensor.Name])))];

    public void Dispose()
    {
        foreach (Tensor tensor in _byName.Values)
        {
            tensor.Dispose();
        }
    }

    /// <summary>Row-major float32.</summary>
    public static float[] ToHost(Tensor tensor)
    {
        using IDisposable still = no_grad();
        using var scope = NewDisposeScope();
        float[] values = new float[tensor.numel()];
        MemoryMarshal.Cast<byte, float>(tensor.detach().to(float32).cpu().contiguous().bytes).CopyTo(values);
        return values;
    }

    /// <summary>Writes over one tensor.</summary>
    public static void Fill(Tensor held, ReadOnlyMemory<float> values)
    {
        using IDisposable still = no_grad();
        using var scope = NewDisposeScope();
        held.copy_(ToDevice(held.shape, values, held.device, held.dtype));
    }

    private static Tensor ToDevice(long[] shape, ReadOnlyMemory<float> values, Device device, ScalarType dtype)
    {
        Tensor host = empty(shape, float32);
        values.Span.CopyTo(MemoryMarshal.Cast<byte, float>(host.bytes));
        return device.type == DeviceType.CPU && dtype == ScalarType.Float32 ? host : host.to(dtype, device);
    }

    private LayerTensors Of(LayerLayout layer) => new(
        _byName[layer.InputNorm.Name], _byName[layer.Q.Name], _byName[layer.K.Name], _byName[layer.V.Name],
        Find(layer.QBias), Find(layer.KBias), Find(layer.VBias), Find(layer.QNorm), Find(layer.KNorm),
        _byName[layer.Output.Name], _byName[layer.PostNorm.Name], _byName[layer.Gate.Name], _byName[layer.Up.Name], _byName[layer.Down.Name]);

    private Tensor? Find(TensorLayout? layout) => layout is null ? null : _byName[layout.Name];
}
