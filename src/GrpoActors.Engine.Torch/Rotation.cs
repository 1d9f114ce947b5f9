using System.Runtime.InteropServices;
using GrpoActors.Engine.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace GrpoActors.Engine.Torch;

/// <summary>Cosines and sines of all positions of a model's context on a device, the CPU engine's own numbers.</summary>
internal sealed class Rotation : IDisposable
{
    private readonly Tensor _cos_PN, _sin_PN;

    public Rotation(ModelSpec spec, Device device)
    {
        RotaryTables tables = RotaryTables.Of(spec, spec.ContextLength);
        (_cos_PN, _sin_PN) = (Held(tables.Cos_PN2, spec, device), Held(tables.Sin_PN2, spec, device));
    }

    /// <summary>Each [T, 1, N].</summary>
    public (Tensor Cos, Tensor Sin) Of(Tensor positions_T) =>
        (_cos_PN.index_select(0, positions_T).unsqueeze(1), _sin_PN.index_select(0, positions_T).unsqueeze(1));

    /// <summary>Of one position, for any number of rows: each [1, 1, N].</summary>
    public (Tensor Cos, Tensor Sin) Of(long position) => (_cos_PN.narrow(0, position, 1).unsqueeze(1), _sin_PN.narrow(0, position, 1).unsqueeze(1));

    public void Dispose()
    {
        _cos_PN.Dispose();
        _sin_PN.Dispose();
    }

    private static Tensor Held(float[] table_PN2, ModelSpec spec, Device device)
    {
        using IDisposable still = no_grad();
        using var scope = NewDisposeScope();
        Tensor half = empty([spec.ContextLength, spec.HeadDim / 2], float32);
        table_PN2.CopyTo(MemoryMarshal.Cast<byte, float>(half.bytes));
        return cat([half, half], -1).to(device).DetachFromDisposeScope();
    }
}
