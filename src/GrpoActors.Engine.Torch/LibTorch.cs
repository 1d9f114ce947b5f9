using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace GrpoActors.Engine.Torch;

/// <summary>The libtorch that was loaded.</summary>
/// <param name="Folder">Where <c>libtorch_cpu.so</c> lies.</param>
/// <param name="Build">What tells one build from another: the length of <c>libtorch_cpu.so</c> in bytes.</param>
internal sealed record LoadedLibTorch(string Folder, long Build);

/// <summary>Finds and loads libtorch, then TorchSharp's shim over it. To be called before any type of TorchSharp is touched. Thread-safe.</summary>
/// <remarks>
/// Looked for in this order: the setting <c>libtorch</c>, the variable <c>GRPO_LIBTORCH</c>, beside the program (the packages <c>libtorch-cpu-*</c> and
/// <c>TorchSharp-cuda-*</c> put it there), the <c>lib</c> folder of an installed PyTorch.
/// TorchSharp 0.107.0's shim asks for GLIBCXX_3.4.32 (libstdc++ of GCC 13) for the sake of one symbol to which nothing refers. Where libstdc++ is older, a
/// temporary copy of the shim is loaded in which that version is marked as weak.
/// </remarks>
internal static class LibTorch
{
    /// <summary>The release that TorchSharp's shim is built for.</summary>
    public const string Release = "2.10";

    public const string Variable = "GRPO_LIBTORCH";

    private const string Shim = "libLibTorchSharp.so", Marker = "libtorch_cpu.so", NewVersion = "GLIBCXX_3.4.32";

    /// <summary>
    /// Read by native code when it is loaded. OpenMP's threads must not spin while they wait: with another busy process on the machine every product would
    /// take a scheduler's tick. cuBLAS sums in one order with a workspace of a fixed size.
    /// </summary>
    private static readonly (string Variable, string Value)[] Environments =
        [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "0"), ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")];

    private static readonly Lock Gate = new();
    private static LoadedLibTorch? loaded;

    /// <param name="setting">The folder that the run file names; null: none.</param>
    /// <exception cref="LibTorchException">There is none, or it cannot be loaded; the message says what was looked for and what to install.</exception>
    public static LoadedLibTorch Load(string? setting)
    {
        lock (Gate)
        {
            return loaded ??= LoadFrom(Find(setting));
        }
    }

    private static string Find(string? setting)
    {
        if (setting is not null || Environment.GetEnvironmentVariable(Variable) is { Length: > 0 })
        {
            string named = setting ?? Environment.GetEnvironmentVariable(Variable)!;
            string by = setting is null ? $"the variable {Variable}" : "the setting libtorch";
            return File.Exists(Path.Combine(named, Marker))
                ? named
                : throw new LibTorchException($"{by} names {named}, where no {Marker} lies. {Install}");
        }

        return Folders().FirstOrDefault(folder => File.Exists(Path.Combine(folder, Marker)))
            ?? throw new LibTorchException($"no {Marker} was found: not beside the program, and not in the lib folder of an installed PyTorch. {Install}");
    }

    private static string Install =>
        $"Install PyTorch {Release} (pip install torch=={Release}), or set libtorch (or {Variable}) to a folder that holds libtorch {Release}.";

    private static IEnumerable<string> Folders()
    {
        string native = (string?)AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") ?? "";
        foreach (string folder in native.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Append(AppContext.BaseDirectory))
        {
            yield return folder;
        }

        foreach (string root in PythonRoots())
        {
            foreach (string python in Subfolders(root, "python3*"))
            {
                yield return Path.Combine(python, "site-packages", "torch", "lib");
                yield return Path.Combine(python, "dist-packages", "torch", "lib");
            }
        }
    }

    private static IEnumerable<string> PythonRoots()
    {
        if (Environment.GetEnvironmentVariable("VIRTUAL_ENV") is { Length: > 0 } venv)
        {
            yield return Path.Combine(venv, "lib");
        }

        if (Environment.GetEnvironmentVariable("CONDA_PREFIX") is { Length: > 0 } conda)
        {
            yield return Path.Combine(conda, "lib");
        }

        yield return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "lib");
        yield return "/usr/local/lib";
        yield return "/usr/lib";
    }

    private static string[] Subfolders(string root, string pattern)
    {
        try
        {
            return Directory.Exists(root) ? Directory.GetDirectories(root, pattern) : [];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static LoadedLibTorch LoadFrom(string folder)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new LibTorchException("the torch engine runs on Linux with an x64 processor only.");
        }

        foreach ((string variable, string value) in Environments)
        {
            _ = setenv(variable, value, overwrite: 0);
        }

        foreach (string name in new[] { "libc10.so", Marker, "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so" })
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && !NativeLibrary.TryLoad(path, out _))
            {
                throw new LibTorchException($"{path} cannot be loaded: a library that it needs is missing, or it is not built for this machine. {Install}");
            }
        }

        LoadShim(folder);
        return new LoadedLibTorch(folder, new FileInfo(Path.Combine(folder, Marker)).Length);
    }

    private static void LoadShim(string folder)
    {
        string native = (string?)AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") ?? "";
        string[] places = [.. native.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native")];
        string shim = places.Select(place => Path.Combine(place, Shim)).FirstOrDefault(File.Exists)
            ?? throw new LibTorchException($"{Shim}, a part of this program, is missing beside it.");
        try
        {
            NativeLibrary.Load(shim);
        }
        catch (DllNotFoundException old) when (old.Message.Contains(NewVersion, StringComparison.Ordinal))
        {
            LoadWeakened(shim);
        }
        catch (DllNotFoundException mismatch)
        {
            throw new LibTorchException($"the libtorch in {folder} is of another release than {Release}, for which this program is built. {Install}", mismatch);
        }
    }

    private static void LoadWeakened(string shim)
    {
        byte[] image = File.ReadAllBytes(shim);
        MarkWeak(image, NewVersion);
        string folder = Directory.CreateTempSubdirectory("grpo-torch-").FullName, copy = Path.Combine(folder, Shim);
        File.WriteAllBytes(copy, image);
        try
        {
            NativeLibrary.Load(copy);
        }
        catch (DllNotFoundException mismatch)
        {
            throw new LibTorchException($"this libtorch is of another release than {Release}, for which this program is built. {Install}", mismatch);
        }
        finally
        {
            Directory.Delete(folder, recursive: true); // what is mapped stays
        }
    }

    /// <summary>Sets VER_FLG_WEAK (ELF gABI, symbol versioning) on a version that a 64-bit file needs.</summary>
    private static void MarkWeak(Span<byte> elf, string version)
    {
        const uint GnuVerneed = 0x6ffffffe;
        ReadOnlySpan<byte> wanted = Encoding.ASCII.GetBytes(version + "\0");
        int sections = (int)U64(elf, 0x28), size = U16(elf, 0x3a), count = U16(elf, 0x3c);
        for (int i = 0; i < count; i++)
        {
            int section = sections + (i * size);
            if (U32(elf, section + 4) != GnuVerneed)
            {
                continue;
            }

            int strings = (int)U64(elf, sections + ((int)U32(elf, section + 40) * size) + 24);
            int need = (int)U64(elf, section + 24);
            while (true)
            {
                int entry = need + (int)U32(elf, need + 8);
                for (int j = U16(elf, need + 2); j > 0; j--, entry += (int)U32(elf, entry + 12))
                {
                    if (elf[(strings + (int)U32(elf, entry + 8))..].StartsWith(wanted))
                    {
                        elf[entry + 4] |= 2;
                    }
                }

                int next = (int)U32(elf, need + 12);
                if (next == 0)
                {
                    return;
                }

                need += next;
            }
        }
    }

    [DllImport("libc", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int setenv(string name, string value, int overwrite);

    private static ulong U64(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt64LittleEndian(elf[at..]);

    private static uint U32(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt32LittleEndian(elf[at..]);

    private static ushort U16(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf[at..]);
}

/// <summary>libtorch cannot be used; the message continues "engine: torch: ".</summary>
public sealed class LibTorchException(string message, Exception? inner = null) : Exception(message, inner);
