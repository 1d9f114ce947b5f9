using System.Runtime.InteropServices;

namespace GrpoActors.Engine.Cpu;

/// <summary>
/// Memory that the collector neither sees nor holds on to: zero at first, taken from the machine when it is first written, given back the moment it is freed.
/// On Linux large blocks lie in pages of 2 MiB where the kernel gives them.
/// </summary>
internal static unsafe partial class LargeMemory
{
    private const nuint HugePageBytes = 2 << 20;

    private const int ReadAndWrite = 3, PrivateAnonymous = 0x22, AdviseHugePages = 14; // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_HUGEPAGE

    /// <summary>All zeros, aligned to 64 bytes at least; freed by <see cref="Free"/> with the same size.</summary>
    /// <exception cref="OutOfMemoryException">The machine has not got so much.</exception>
    public static float* Allocate(nuint bytes)
    {
        if (!IsMapped(bytes))
        {
            void* small = NativeMemory.AlignedAlloc(nuint.Max(bytes, 64), 64);
            NativeMemory.Clear(small, bytes);
            return (float*)small;
        }

        // More than asked for, so that a block that begins at a huge page lies in it; what stands over is given back.
        nuint size = Rounded(bytes), reserved = size + HugePageBytes;
        nint start = Map(null, reserved, ReadAndWrite, PrivateAnonymous, -1, 0);
        if (start == -1)
        {
            throw new OutOfMemoryException($"The machine has no {bytes:#,##0} bytes for one block of the engine's memory.");
        }

        nuint before = (HugePageBytes - ((nuint)start & (HugePageBytes - 1))) & (HugePageBytes - 1);
        byte* block = (byte*)start + before;
        Unmap((byte*)start, before);
        Unmap(block + size, reserved - before - size);
        _ = Advise(block, size, AdviseHugePages); // advice alone: refused, the memory is as good, and slower
        return (float*)block;
    }

    public static void Free(float* memory, nuint bytes)
    {
        if (memory == null)
        {
            return;
        }

        if (IsMapped(bytes))
        {
            Unmap((byte*)memory, Rounded(bytes));
        }
        else
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static bool IsMapped(nuint bytes) => bytes >= HugePageBytes && OperatingSystem.IsLinux();

    private static nuint Rounded(nuint bytes)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        return (bytes + page - 1) / page * page;
    }

    private static void Unmap(byte* address, nuint bytes)
    {
        if (bytes > 0)
        {
            _ = Unmap((void*)address, bytes);
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Map(void* address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmap(void* address, nuint bytes);

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint bytes, int advice);
}
