using System.Runtime.InteropServices;

namespace GrpoActors.Benchmarks;

/// <summary>Memory as the engine's activations have it: outside the collected heap, aligned to 64 bytes. Small numbers of both signs.</summary>
internal sealed unsafe class NativeFloats : IDisposable
{
    private readonly int _length;

    public NativeFloats(long count)
    {
        _length = checked((int)count);
        At = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
        for (int i = 0; i < _length; i++)
        {
            At[i] = Number(i);
        }
    }

    public float* At { get; }

    public Span<float> Span => new(At, _length);

    public static float Number(long index) => ((index * 2654435761L >> 8) & 1023) / 1024f - 0.5f;

    public void Dispose() => NativeMemory.AlignedFree(At);
}

/// <summary>OpenBLAS where the machine has it, for a comparison in the same run: it alone of this repository's programs calls another's kernels. Its core type is chosen by <c>OPENBLAS_CORETYPE</c>.</summary>
internal sealed unsafe class OpenBlas
{
    private const int RowMajor = 101, AsItIs = 111, Turned = 112;

    private static readonly string[] Names = ["libopenblas.so.0", "libopenblas", "openblas"];

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _multiply;

    private OpenBlas(nint library, int threads)
    {
        _multiply = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)NativeLibrary.GetExport(library, "cblas_sgemm");
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(library, "openblas_set_num_threads"))(threads);
        CoreType = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "openblas_get_corename"))()) ?? "";
    }

    /// <summary>Whose kernels it uses.</summary>
    public string CoreType { get; }

    /// <summary>Null where it is not installed (Debian: libopenblas0-pthread).</summary>
    public static OpenBlas? Load(int threads)
    {
        foreach (string name in Names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
            {
                return new OpenBlas(library, threads);
            }
        }

        return null;
    }

    /// <summary>c [m, n] = a [m, k] b [k, n] + beta c; a turned operand lies transposed.</summary>
    public void Multiply(int m, int n, int k, NativeFloats a, bool isTurnedA, NativeFloats b, bool isTurnedB, NativeFloats c, float beta)
        => _multiply(RowMajor, isTurnedA ? Turned : AsItIs, isTurnedB ? Turned : AsItIs, m, n, k, 1, a.At, isTurnedA ? m : k, b.At, isTurnedB ? k : n, beta, c.At, n);
}
