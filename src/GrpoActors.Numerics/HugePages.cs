using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace GrpoActors.Numerics;

/// <summary>
/// Memory for large arrays, outside the collector's heap: all zeros, taken from the machine when it is first written, given back the moment it is freed.
/// On Linux in pages of 2 MiB where the kernel gives them, so that reading it seldom waits for a page table.
/// </summary>
public static unsafe partial class HugePages
{
    private const nuint PageBytes = 2 << 20;

    private const int ReadAndWrite = 3, PrivateAnonymous = 0x22, AdviseHugePages = 14; // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_HUGEPAGE

    // The C library keeps much of what it is given back for later; a mapping of our own is gone at once. Few are made: by size, to be unmapped by.
    private static readonly ConcurrentDictionary<nint, nuint> Mapped = new();

    /// <summary>All zeros, aligned to 64 bytes at least; freed by <see cref="Free"/>.</summary>
    /// <exception cref="OutOfMemoryException">The machine has not got so much.</exception>
    public static float* Allocate(nuint bytes)
    {
        if (bytes < PageBytes || !OperatingSystem.IsLinux())
        {
            float* small = (float*)NativeMemory.AlignedAlloc(nuint.Max(bytes, 64), 64);
            NativeMemory.Clear(small, bytes);
            return small;
        }

        // More than asked for, so that the block can begin at a huge page; what stands over is given back.
        nuint systemPage = (nuint)Environment.SystemPageSize, size = (bytes + systemPage - 1) / systemPage * systemPage, reserved = size + PageBytes;
        nint start = Map(null, reserved, ReadAndWrite, PrivateAnonymous, -1, 0);
        if (start == -1)
            throw new OutOfMemoryException($"The machine has no {bytes:#,##0} bytes for one block of memory.");
        nuint before = (PageBytes - ((nuint)start & (PageBytes - 1))) & (PageBytes - 1);
        byte* block = (byte*)start + before;
        if (before > 0)
            _ = Unmap((void*)start, before);
        if (reserved - before - size > 0)
            _ = Unmap(block + size, reserved - before - size);
        _ = Advise(block, size, AdviseHugePages); // advice alone: refused, the memory is as good, and slower
        Mapped[(nint)block] = size;
        return (float*)block;
    }

    /// <summary>Null is nothing to free.</summary>
    public static void Free(float* memory)
    {
        if (memory != null && Mapped.TryRemove((nint)memory, out nuint size))
            _ = Unmap(memory, size);
        else
            NativeMemory.AlignedFree(memory);
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
