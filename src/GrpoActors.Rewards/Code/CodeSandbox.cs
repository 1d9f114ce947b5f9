using System.Collections.Immutable;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace GrpoActors.Rewards.Code;

/// <summary>What a program of a completion may use.</summary>
/// <param name="Wall">From its start to its end.</param>
/// <param name="MemoryBytes">Address space of each process.</param>
/// <param name="Processes">Processes and threads together.</param>
/// <param name="OutputBytes">Of what it writes to stdout.</param>
/// <param name="ScratchBytes">Of all files that it leaves in its folder.</param>
internal sealed record CodeLimits(TimeSpan Wall, long MemoryBytes, long Processes, int OutputBytes, long ScratchBytes);

/// <summary>How a program ended.</summary>
internal abstract record CodeRun
{
    private CodeRun()
    {
    }

    public sealed record Ended(int ExitCode, string Output, string Error) : CodeRun;

    public sealed record TooLate : CodeRun;

    public sealed record TooMuchOutput : CodeRun;
}

/// <summary>Runs a program that may want to do harm.</summary>
/// <remarks>
/// <code>
/// [setpriv: user nobody]  unshare (user, mount, network, IPC, host name and PID namespaces)  sh: builds a root, drops the old one
///     /usr /bin /lib ...  read-only        /box  the program's folder: in memory, bounded, gone with the namespace
///     /dev: null zero random urandom       no network, no other file or process of the machine
/// setpriv (no capability, no new ones)  prlimit  command
/// </code>
/// The first process of the PID namespace is ours, so all others end with it: a daemon, a fork bomb, whatever a kill of the parent is meant to leave. Memory is limited for each process: the
/// sum over all is at most processes times memory. The kernel itself is the wall: no system call is filtered.
/// </remarks>
public static class CodeSandbox
{
    /// <summary>Says on stderr that the sandbox stands; without it nothing that happened is the program's doing.</summary>
    private const string Ready = "\u0001ready\n";

    private const int ErrorHeadBytes = 2000;

    /// <summary>On a busy machine the sandbox takes a while to stand; that is none of the program's time.</summary>
    private static readonly TimeSpan SetupMax = TimeSpan.FromSeconds(30);

    // The cat gives the program a pipe of its own: /dev/stdin of root's would be closed to another user.
    // Arguments: bytes of the folder; what is shown, --; name and length of each file, --; the command. The files' bytes come first on stdin, the program's input behind them.
    private const string Script = """
        set -e
        PATH=/usr/sbin:/usr/bin:/sbin:/bin
        box=$1; shift
        mount -t tmpfs -o size=1m,mode=755,nosuid,nodev none /mnt
        cd /mnt
        mkdir old box dev proc
        ln -s box tmp
        while [ "$1" != -- ]; do
            if [ -L "$1" ]; then mkdir -p ".${1%/*}"; ln -s "$(readlink "$1")" ".$1"
            elif [ -d "$1" ]; then mkdir -p ".$1"; mount --rbind "$1" ".$1"; mount -o remount,bind,ro,nosuid,nodev ".$1"
            elif [ -e "$1" ]; then mkdir -p ".${1%/*}"; : > ".$1"; mount --bind "$1" ".$1"; mount -o remount,bind,ro,nosuid,nodev ".$1"
            fi
            shift
        done
        shift
        for device in null zero random urandom; do : > dev/$device; mount --bind /dev/$device dev/$device; done
        ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
        mount -t proc -o nosuid,nodev,noexec none proc 2>/dev/null || true
        (echo 0 > proc/sys/user/max_user_namespaces) 2>/dev/null || true
        mount -t tmpfs -o "size=$box,mode=755,nosuid,nodev" none box
        while [ "$1" != -- ]; do head -c "$2" > "box/$1"; shift 2; done
        shift
        pivot_root . old
        cd /
        umount -l /old
        rmdir /old
        mount -o remount,bind,ro,nosuid,nodev /
        cd /box
        PATH=/usr/local/bin:/usr/bin:/bin
        printf '\001ready\n' >&2
        cat | "$@"
        exit $?
        """;

    private static readonly string[] Shown = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache", "/nix/store"];

    private static readonly Lazy<string?> Obstacle = new(FindObstacle);

    /// <summary>Why nothing can be shut in on this machine, as a clause; null: it can.</summary>
    public static string? Missing => Obstacle.Value;

    /// <summary>Where a program of this name is found inside.</summary>
    public static bool Shows(string command, IEnumerable<string> paths) => command.StartsWith('/')
        ? File.Exists(command) && Shown.Concat(paths).Any(shown => command.StartsWith(shown + "/", StringComparison.Ordinal))
        : command.Contains('/', StringComparison.Ordinal) || ((string[])["/usr/local/bin", "/usr/bin", "/bin"]).Any(folder => File.Exists($"{folder}/{command}"));

    /// <param name="files">By name, without folder; written into the program's folder.</param>
    /// <param name="paths">Further folders and files that it may read.</param>
    /// <exception cref="CodeSandboxException">The sandbox did not come to stand: nothing is known of the program.</exception>
    internal static async Task<CodeRun> Run(
        IReadOnlyList<string> command, ImmutableSortedDictionary<string, byte[]> files, byte[] input, ImmutableArray<string> paths, CodeLimits limits, CancellationToken cancellation)
    {
        using Process process = Start(Line(command, files, paths, limits));
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using CancellationTokenRegistration kill = late.Token.Register(() => Kill(process));
        late.CancelAfter(SetupMax);
        Task feeding = Feed(process.StandardInput.BaseStream, [.. files.Values, input]);
        Task<byte[]> said = Drain(process.StandardError.BaseStream, () => late.CancelAfter(limits.Wall));
        byte[]? output = await ReadAll(process.StandardOutput.BaseStream, limits.OutputBytes);
        if (output is null)
        {
            Kill(process);
        }

        await process.WaitForExitAsync(CancellationToken.None); // it was killed, or has closed its output; in the second case the deadline kills it
        string error = Encoding.UTF8.GetString(await said);
        await feeding;
        cancellation.ThrowIfCancellationRequested();
        bool stands = error.StartsWith(Ready, StringComparison.Ordinal);
        if (!stands)
        {
            throw new CodeSandboxException($"its program could not be shut in: {(late.IsCancellationRequested ? $"the sandbox did not stand within {SetupMax.TotalSeconds:0} s" : error.Trim())}");
        }

        return late.IsCancellationRequested ? new CodeRun.TooLate()
            : output is null ? new CodeRun.TooMuchOutput()
            : new CodeRun.Ended(process.ExitCode, Encoding.UTF8.GetString(output), error[Ready.Length..].Trim());
    }

    private static string[] Line(IReadOnlyList<string> command, ImmutableSortedDictionary<string, byte[]> files, ImmutableArray<string> paths, CodeLimits limits)
    {
        string[] asUser = Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--"] : [];
        return
        [
            .. asUser, "unshare", "--user", "--map-root-user", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--", "/bin/sh", "-c", Script, "sh",
            Number(limits.ScratchBytes), .. Shown, .. paths, "--", .. files.SelectMany(file => new[] { file.Key, Number(file.Value.Length) }), "--",
            "setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--",
            "prlimit", $"--as={Number(limits.MemoryBytes)}", $"--nproc={Number(limits.Processes + 3)}", $"--cpu={Number((long)Math.Ceiling(limits.Wall.TotalSeconds) + 1)}", "--core=0", "--nofile=256", "--", .. command,
        ];
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static Process Start(string[] line)
    {
        var start = new ProcessStartInfo(line[0], line[1..]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        string? path = Environment.GetEnvironmentVariable("PATH");
        start.Environment.Clear();
        start.Environment["PATH"] = path;
        start.Environment["LANG"] = "C.UTF-8";
        start.Environment["HOME"] = start.Environment["TMPDIR"] = "/box";
        start.Environment["PYTHONHASHSEED"] = "0";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new CodeSandboxException($"its program could not be shut in: {e.Message}");
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(); // the first process of the namespace goes with its parent, and all others with it
        }
        catch (InvalidOperationException)
        {
            // it has ended by itself
        }
    }

    private static async Task Feed(Stream to, byte[][] parts)
    {
        try
        {
            foreach (byte[] part in parts)
            {
                await to.WriteAsync(part);
            }

            to.Close();
        }
        catch (IOException)
        {
            // it does not want its input, or is gone
        }
    }

    /// <summary>Null: it is longer than that.</summary>
    private static async Task<byte[]?> ReadAll(Stream from, int max)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[1 << 13];
        int count;
        while ((count = await from.ReadAsync(buffer)) > 0)
        {
            if (all.Length + count > max)
            {
                return null;
            }

            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    /// <summary>The first bytes; reads on to the end, so that nothing waits for a reader.</summary>
    /// <param name="stands">Called at the first of them: the sandbox says that it stands, or why it does not.</param>
    private static async Task<byte[]> Drain(Stream from, Action stands)
    {
        using var head = new MemoryStream();
        byte[] buffer = new byte[1 << 13];
        try
        {
            int count;
            while ((count = await from.ReadAsync(buffer)) > 0)
            {
                if (head.Length == 0)
                {
                    stands();
                }

                head.Write(buffer, 0, (int)Math.Min(count, ErrorHeadBytes - head.Length));
            }
        }
        catch (IOException)
        {
            // killed
        }

        return head.ToArray();
    }

    private static string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "a program can be shut in on Linux only";
        }

        try
        {
            CodeRun run = Run(["true"], ImmutableSortedDictionary<string, byte[]>.Empty, [], [], new CodeLimits(TimeSpan.FromSeconds(20), 1L << 30, 16, 1 << 10, 1 << 20), CancellationToken.None).GetAwaiter().GetResult();
            return run is CodeRun.Ended { ExitCode: 0 } ? null : $"a program that does nothing ended otherwise ({run})";
        }
        catch (CodeSandboxException e)
        {
            return e.Message;
        }
    }
}

/// <summary>The sandbox could not be made.</summary>
public sealed class CodeSandboxException(string message) : Exception(message);
