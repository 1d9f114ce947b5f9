using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace GrpoActors.Runtime.Chaos;

/// <summary>How a process of the run ended.</summary>
public sealed record ChaosEnd(int ExitCode, string Output, string Error, TimeSpan Lived)
{
    public const int KilledExitCode = 137; // 128 + SIGKILL

    public bool Killed => ExitCode == KilledExitCode;

    public string LastLine => Error.Trim().Split('\n')[^1];
}

/// <summary>A training process of our own, with at most one fault. Signals go to processes that this class has started and that have not ended, to no other.</summary>
internal static class ChaosProcess
{
    private static readonly int Sigstop = OperatingSystem.IsMacOS() ? 17 : 19;
    private static readonly int Sigcont = OperatingSystem.IsMacOS() ? 19 : 18;

    /// <param name="command">Program and arguments.</param>
    /// <param name="fault">Done to it from outside; points are armed by <paramref name="crashAt"/>.</param>
    /// <param name="pace">What the fault's moment is a share of.</param>
    /// <param name="crashAt">Value of <see cref="CrashPoints.Variable"/>.</param>
    /// <param name="patience">A process that lives longer is hung: it is killed and reported.</param>
    /// <exception cref="TimeoutException">It has not ended.</exception>
    public static async Task<(ChaosEnd End, bool Disturbed)> Run(IReadOnlyList<string> command, string runFolder, ChaosFault? fault, TimeSpan pace, string crashAt, TimeSpan patience, CancellationToken stop)
    {
        string[] under = [.. Under(fault, runFolder), .. command];
        var start = new ProcessStartInfo(under[0], under.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NO_COLOR"] = "1";
        start.Environment[CrashPoints.Variable] = crashAt;
        start.Environment["DOTNET_TieredPGO"] = "0"; // it lives too short for counting how often its methods run
        if (fault is ChaosFault.Quota)
        {
            start.Environment["DOTNET_EnableWriteXorExecute"] = "0"; // the runtime would map its code through a file larger than the quota
        }

        var watch = Stopwatch.StartNew();
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{under[0]} did not start.");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None), error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var patient = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patient.CancelAfter(patience);
        try
        {
            bool disturbed = await Disturb(process, fault, pace, patient.Token);
            await process.WaitForExitAsync(patient.Token);
            TimeSpan lived = watch.Elapsed;
            return (new ChaosEnd(process.ExitCode, await output, await error, lived), disturbed);
        }
        catch (OperationCanceledException late)
        {
            process.Kill();
            stop.ThrowIfCancellationRequested();
            throw new TimeoutException($"A training process has not ended {patience.TotalSeconds:0} s after its start{(fault is null ? "" : $" ({fault})")}: {string.Join(' ', command)}\n{await error}", late);
        }
    }

    /// <summary>Why faults of this name cannot be had on this machine; null: they can.</summary>
    public static string? Unavailable(ChaosFault fault) => fault switch
    {
        ChaosFault.Quota when OperatingSystem.IsWindows() => "Windows has no limit on the size of a process's files",
        ChaosFault.ReadOnly when !MayMount.Value => "only root in a mount namespace of its own can make a folder read-only for one process",
        _ => null,
    };

    private static readonly Lazy<bool> MayMount = new(() =>
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo("unshare", ["-m", "mount", "--bind", "/", "/"]) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // there is no such program
        }
    });

    /// <summary>What stands before the command.</summary>
    private static string[] Under(ChaosFault? fault, string runFolder) => fault switch
    {
        // "ulimit -f" counts in 512 bytes. An ignored SIGXFSZ stays ignored in the program: its write fails instead.
        ChaosFault.Quota x => ["sh", "-c", string.Create(CultureInfo.InvariantCulture, $"trap '' XFSZ; ulimit -f {2 * x.Kibibytes}; exec \"$@\""), "sh"],
        // The process before it may have been killed before it made the folder.
        ChaosFault.ReadOnly => ["unshare", "-m", "sh", "-c", "mkdir -p \"$0\" && mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"", runFolder],
        _ => [],
    };

    private static async Task<bool> Disturb(Process process, ChaosFault? fault, TimeSpan pace, CancellationToken stop)
    {
        switch (fault)
        {
            case ChaosFault.Kill kill when await LivesAfter(process, kill.Moment * pace, stop):
                process.Kill();
                await process.WaitForExitAsync(stop);
                return process.ExitCode == ChaosEnd.KilledExitCode;
            case ChaosFault.Freeze freeze when await LivesAfter(process, freeze.Moment * pace, stop):
                bool frozen = Signal(process, Sigstop);
                await Task.Delay(freeze.For, stop);
                return Signal(process, Sigcont) && frozen;
            default:
                return false;
        }
    }

    private static async Task<bool> LivesAfter(Process process, TimeSpan after, CancellationToken stop)
    {
        Task ended = process.WaitForExitAsync(stop);
        return await Task.WhenAny(ended, Task.Delay(after, stop)) != ended;
    }

    private static bool Signal(Process process, int signal) => !process.HasExited && SendSignal(process.Id, signal) == 0;

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int process, int signal);
}
