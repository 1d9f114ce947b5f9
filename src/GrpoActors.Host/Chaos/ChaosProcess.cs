using System.Diagnostics;
using System.Runtime.InteropServices;

namespace GrpoActors.Host.Chaos;

/// <summary>How a process of the run ended.</summary>
/// <param name="Disturbed">The fault happened to it.</param>
public sealed record ChaosEnd(int ExitCode, bool Disturbed, string Output, string Error, TimeSpan Lived);

/// <summary>A training process of our own, with one fault. Signals go to processes that this class has started and that have not ended, to no other.</summary>
internal static class ChaosProcess
{
    public const int KilledExitCode = 137; // 128 + SIGKILL
    private static readonly int Sigstop = OperatingSystem.IsMacOS() ? 17 : 19;
    private static readonly int Sigcont = OperatingSystem.IsMacOS() ? 19 : 18;

    /// <param name="command">Program and arguments.</param>
    /// <param name="patience">A process that lives longer is hung: it is killed and reported.</param>
    /// <exception cref="TimeoutException">It has not ended.</exception>
    public static async Task<ChaosEnd> Run(IReadOnlyList<string> command, ChaosFault? fault, string? crashAt, TimeSpan patience, CancellationToken stop)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["NO_COLOR"] = "1";
        start.Environment[CrashPoints.Variable] = crashAt ?? (fault is ChaosFault.AtPoint point ? point.ToString() : "");
        var watch = Stopwatch.StartNew();
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} did not start.");
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None), error = process.StandardError.ReadToEndAsync(CancellationToken.None);
        using var patient = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patient.CancelAfter(patience);
        try
        {
            bool disturbed = await Disturb(process, fault, patient.Token);
            await process.WaitForExitAsync(patient.Token);
            TimeSpan lived = watch.Elapsed;
            return new ChaosEnd(process.ExitCode, fault is ChaosFault.AtPoint ? process.ExitCode == KilledExitCode : disturbed, await output, await error, lived);
        }
        catch (OperationCanceledException late)
        {
            process.Kill();
            stop.ThrowIfCancellationRequested();
            throw new TimeoutException($"A training process has not ended {patience.TotalSeconds:0} s after its start{(fault is null ? "" : $" ({fault})")}: {string.Join(' ', command)}\n{await error}", late);
        }
    }

    private static async Task<bool> Disturb(Process process, ChaosFault? fault, CancellationToken stop)
    {
        switch (fault)
        {
            case ChaosFault.Kill kill when await LivesAfter(process, kill.After, stop):
                process.Kill();
                await process.WaitForExitAsync(stop);
                return process.ExitCode == KilledExitCode;
            case ChaosFault.Freeze freeze when await LivesAfter(process, freeze.After, stop):
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
