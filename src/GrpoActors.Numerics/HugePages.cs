using System.Runtime.InteropServices;

namespace GrpoActors.Numerics;

/// <summary>Native memory for large arrays that are read from end to end: on Linux in pages of 2 MiB where the kernel gives them, so that reading them seldom waits for a page table.</summary>
internal static unsafe partial class HugePages
{
    private const nuint PageBytes = 2 << 20;

    private const int AdviseHugePages = 14; // MADV_HUGEPAGE

    /// <summary>Aligned to 64 bytes at least; not cleared; freed by <see cref="Free"/>.</summary>
    public static float* Allocate(nuint bytes)
    {
        bool isLarge = bytes >= PageBytes && OperatingSystem.IsLinux();
        float* memory = (float*)NativeMemory.AlignedAlloc(bytes, isLarge ? PageBytes : 64);
        if (isLarge)
            _ = Advise(memory, bytes, AdviseHugePages); // advice alone: refused, the memory is as good, and slower
        return memory;
    }

    public static void Free(float* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint bytes, int advice);
}
