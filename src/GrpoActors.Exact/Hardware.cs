using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace GrpoActors.Exact;

/// <summary>What the kernels really use on this machine; it changes their speed and never their bits.</summary>
/// <param name="VectorBits">512, 256 or 128: the widest vectors of the matrix kernels.</param>
/// <param name="Fma">Whether multiply-add is fused in hardware; otherwise it is emulated, slowly, with the same bits.</param>
public sealed record Hardware(int VectorBits, bool Fma)
{
    /// <summary>This process; fixed at its start.</summary>
    public static Hardware Current { get; } = new(
        Avx512F.IsSupported ? 512 : Avx2.IsSupported ? 256 : 128,
        Fused.IsHardware);
}
