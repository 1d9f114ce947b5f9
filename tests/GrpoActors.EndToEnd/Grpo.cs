using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The real program in a process of its own.</summary>
internal static class Grpo
{
    /// <summary>For a process that hangs, on the slowest machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(30);

    private const ulong InterruptMask = 1UL << (2 - 1), TerminateMask = 1UL << (15 - 1);

    public static string Root { get; } = FindRoot();

    public static string Recipe { get; } = Path.Combine(Root, "recipes", "arithmetic.json");

    /// <summary>Runs to the end; throws if it does not exit with 0.</summary>
    public static JsonElement Train(string runFolder, string[] options, params (string Name, string Value)[] environment)
    {
        Finished finished = Run(["train", Recipe, "--run-dir", runFolder, "--json", .. options], environment);
        Assert.True(finished.ExitCode == 0, $"grpo train ended with {finished.ExitCode}:\n{finished.Error}");
        return LastObject(finished.Output);
    }

    public static Finished Run(string[] arguments, params (string Name, string Value)[] environment) => Run(arguments, Patience, environment);

    public static Finished Run(string[] arguments, TimeSpan patience, params (string Name, string Value)[] environment)
    {
        using Process process = Start(arguments, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"grpo {string.Join(' ', arguments)} has not ended after {patience}.");
        }

        process.WaitForExit();
        return new Finished(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    public static Process Start(string[] arguments, params (string Name, string Value)[] environment)
    {
        string[] listening = IgnoresSignals() ? ["env", "--default-signal=INT,TERM"] : [];
        var start = new ProcessStartInfo(listening.Length == 0 ? "dotnet" : listening[0], [.. listening.Skip(1), .. listening.Length == 0 ? Array.Empty<string>() : ["dotnet"]])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Root,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "grpo.dll"));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["NO_COLOR"] = "1";
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        Process process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>To a process of ours that has not ended. By a call, not by a program: between what a test has seen and its signal lies no start of a process.</summary>
    public static void Send(string signal, Process process)
    {
        int number = (signal, OperatingSystem.IsMacOS()) switch { ("INT", _) => 2, ("TERM", _) => 15, ("STOP", false) or ("CONT", true) => 19, ("STOP", true) => 17, ("CONT", false) => 18, _ => throw new ArgumentOutOfRangeException(nameof(signal), signal, "No such signal.") };
        if (!process.HasExited)
        {
            _ = SendSignal(process.Id, number);
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int process, int signal);

    /// <summary>Whoever starts tests in the background may have had SIGINT ignored, and every process inherits that.</summary>
    private static bool IgnoresSignals() => OperatingSystem.IsLinux() && File.ReadLines("/proc/self/status")
        .Where(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)).Any(line => (ulong.Parse(line["SigIgn:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & (InterruptMask | TerminateMask)) != 0);

    /// <summary>The one JSON object that ends the output.</summary>
    public static JsonElement LastObject(string output)
    {
        string last = output.Trim().Split('\n')[^1];
        return JsonDocument.Parse(last.StartsWith('{') ? last : output[output.IndexOf('{', StringComparison.Ordinal)..]).RootElement.Clone();
    }

    public static string Hashes(JsonElement result) =>
        $"{result.GetProperty("weightsSha256")} {result.GetProperty("optimizerSha256")} {result.GetProperty("ledgerSha256")}";

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "GrpoActors.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The repository's root, with GrpoActors.sln, is not above the tests.");
    }
}

internal sealed record Finished(int ExitCode, string Output, string Error);

/// <summary>A folder that goes when the test is over.</summary>
internal sealed class Scratch : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("grpo-").FullName;

    public string this[string name] => Path.Combine(folder, name);

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
