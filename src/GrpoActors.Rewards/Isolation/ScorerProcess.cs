using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace GrpoActors.Rewards.Isolation;

/// <summary>A scorer's process could not answer: its end, or what it wrote instead.</summary>
public sealed class ScorerProcessException(string message) : Exception(message);

/// <summary>One process that answers lines with lines. One call at a time; <see cref="Kill"/> from any thread.</summary>
internal sealed class ScorerProcess : IDisposable
{
    private const int Sigkill = 9;
    private const int SignalBase = 128;
    private const int CpuTimeSignal = 24;
    private const int ErrorTailBytes = 1000;
    private const int NoSuchFile = 2, NoExecutable = 8, TryAgain = 11, NoMemory = 12, NoPermission = 13; // errno of Linux and macOS

    /// <summary>From the end of its output to the end of the process and of all it said: a busy machine needs a while, and the reason is journalled.</summary>
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly SandboxKind _kind;
    private readonly ScorerLimits _limits;
    private readonly byte[] _buffer;
    private readonly Task<string> _errorTail;
    private int _begin;
    private int _end;
    private int _killed;

    private ScorerProcess(Process process, SandboxKind kind, ScorerLimits limits)
    {
        _process = process;
        _kind = kind;
        _limits = limits;
        _buffer = new byte[limits.OutputBytes];
        _errorTail = Drain(process.StandardError.BaseStream);
    }

    /// <summary>Calls answered so far.</summary>
    public int Answered { get; private set; }

    /// <exception cref="ScorerProcessException">It cannot be started.</exception>
    public static ScorerProcess Start(Sandbox sandbox, ScorerLimits limits, string command, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        string[] line = [.. sandbox.Around(limits, command, arguments)];
        var start = new ProcessStartInfo(line[0], line[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string? path = Environment.GetEnvironmentVariable("PATH");
        start.Environment.Clear(); // keys and passwords of ours are none of its business
        start.Environment["PATH"] = path;
        start.Environment["LANG"] = "C.UTF-8";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        try
        {
            return new ScorerProcess(Process.Start(start)!, sandbox.Kind, limits);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new ScorerProcessException($"its process cannot be started: {Reason(e.NativeErrorCode)}");
        }
    }

    private static string Reason(int code) => code switch
    {
        NoSuchFile => "there is no such program",
        NoPermission => "this user may not execute it",
        NoMemory or TryAgain => "the machine has no memory or no process left for it",
        NoExecutable => "it is no program; a script needs #! and its interpreter in the first line",
        _ => Marshal.GetPInvokeErrorMessage(code), // the operating system's own words
    };

    /// <summary>Sends a line and returns the next one, without its end.</summary>
    /// <exception cref="ScorerProcessException">It ended, or wrote a longer line than it may.</exception>
    public async Task<ReadOnlyMemory<byte>> Ask(ReadOnlyMemory<byte> line)
    {
        try
        {
            Stream to = _process.StandardInput.BaseStream;
            await to.WriteAsync(line);
            await to.WriteAsync("\n"u8.ToArray());
            await to.FlushAsync();
        }
        catch (IOException)
        {
            // It has gone, or closed its input; what it wrote before still counts.
        }

        ReadOnlyMemory<byte> answer = await ReadLine();
        Answered++;
        return answer;
    }

    /// <summary>SIGKILL to the process and its descendants; returns at once.</summary>
    public void Kill()
    {
        if (Interlocked.Exchange(ref _killed, 1) != 0)
        {
            return;
        }

        try
        {
            if (_kind == SandboxKind.Session)
            {
                _ = SendSignal(-_process.Id, Sigkill);
            }

            _process.Kill(); // a namespace's first process is killed by the kernel when its parent, this one, dies
        }
        catch (InvalidOperationException)
        {
            // it has ended by itself
        }
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private async Task<ReadOnlyMemory<byte>> ReadLine()
    {
        int searched = _begin;
        while (true)
        {
            int newline = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                ReadOnlyMemory<byte> line = _buffer.AsMemory(_begin, searched + newline - _begin);
                _begin = searched + newline + 1;
                return line;
            }

            if (_begin > 0)
            {
                _buffer.AsSpan(_begin, _end - _begin).CopyTo(_buffer);
                (_begin, _end) = (0, _end - _begin);
            }

            if (_end == _buffer.Length)
            {
                throw new ScorerProcessException($"its process wrote more than {_buffer.Length} bytes (output_bytes) without ending the line");
            }

            searched = _end;
            int count = await _process.StandardOutput.BaseStream.ReadAsync(_buffer.AsMemory(_end));
            if (count == 0)
            {
                throw new ScorerProcessException(await Ended());
            }

            _end += count;
        }
    }

    private async Task<string> Ended()
    {
        using var patience = new CancellationTokenSource(EndPatience); // it may have closed its output and gone on
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            return "its process closed its output";
        }

        int code = _process.ExitCode;
        string how = code == SignalBase + CpuTimeSignal ? $"its process was ended after {_limits.CpuSeconds} s of CPU time (cpu_seconds)"
            : code > SignalBase ? $"its process was ended by signal {code - SignalBase}"
            : $"its process ended with exit code {code}";
        string said = await Said(patience.Token);
        return said.Length == 0 ? how : $"{how}; it said: {said}";
    }

    /// <summary>Empty if a descendant outlives it and keeps its error output open.</summary>
    private async Task<string> Said(CancellationToken patience)
    {
        try
        {
            return await _errorTail.WaitAsync(patience);
        }
        catch (OperationCanceledException)
        {
            return "";
        }
    }

    /// <summary>Reads to the end, so that the process never waits for a reader, and keeps the last bytes.</summary>
    private static async Task<string> Drain(Stream from)
    {
        byte[] buffer = new byte[1 << 13], tail = [];
        try
        {
            int count;
            while ((count = await from.ReadAsync(buffer)) > 0)
            {
                byte[] all = [.. tail, .. buffer.AsSpan(0, count)];
                tail = all.Length <= ErrorTailBytes ? all : all[^ErrorTailBytes..];
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // killed
        }

        return Encoding.UTF8.GetString(tail).Trim();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int process, int signal);
}
