using System.Diagnostics;
using System.Globalization;

namespace GrpoActors.Rewards.Isolation;

/// <summary>How a scorer's process is shut in on this machine. Found out once, by trying.</summary>
/// <remarks>
/// <code>
/// Namespace   [setpriv: user nobody]  unshare (user and PID namespace)  sh (reaps)  prlimit  command
///             every descendant dies with the namespace; memory, CPU time, file size and the number of processes are limited
/// Session     [setpriv: user nobody]  setsid  prlimit  command
///             the process group is killed; a descendant that begins a session of its own may outlive the call; processes are not counted
/// None        there is no prlimit: nothing can be limited, so nothing is started
/// </code>
/// As root the command runs as the user nobody; otherwise as the user that runs grpo. Limits hold for each process, not for all together.
/// </remarks>
public sealed class Sandbox
{
    private const string OtherUser = "nobody";
    private static readonly string[] InNamespace = ["unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child", "--"];

    /// <summary>First process of the namespace: takes over orphans, so that no dead one counts for ever, and ends with the command.</summary>
    private static readonly string[] Reaper = ["/bin/sh", "-c", "\"$@\"; exit $?", "sh"];

    private readonly string[] _asUser;

    private Sandbox(SandboxKind kind, string[] asUser, string description)
    {
        Kind = kind;
        _asUser = asUser;
        Description = description;
    }

    public static Sandbox OfThisMachine { get; } = Find();

    public SandboxKind Kind { get; }

    /// <summary>In one line; for <see cref="SandboxKind.None"/>, what is missing.</summary>
    public string Description { get; }

    /// <summary>The program to start, with its arguments.</summary>
    /// <exception cref="InvalidOperationException">Nothing can be limited here.</exception>
    public IEnumerable<string> Around(ScorerLimits limits, string command, IEnumerable<string> arguments)
    {
        string[] limit =
        [
            "prlimit", Limit("--as", limits.MemoryBytes), $"{Limit("--cpu", limits.CpuSeconds)}:{limits.CpuSeconds + 1}", Limit("--fsize", limits.FileBytes), "--core=0", "--nofile=256",
        ];
        return Kind switch
        {
            SandboxKind.Namespace => [.. _asUser, .. InNamespace, .. Reaper, .. limit, Limit("--nproc", limits.Processes + 1), "--", command, .. arguments],
            SandboxKind.Session => [.. _asUser, "setsid", .. limit, "--", command, .. arguments],
            _ => throw new InvalidOperationException($"A scorer's process is never started without limits: {Description}."),
        };
    }

    private static string Limit(string name, long value) => string.Create(CultureInfo.InvariantCulture, $"{name}={value}");

    private static Sandbox Find()
    {
        if (!OperatingSystem.IsLinux())
        {
            return new Sandbox(SandboxKind.None, [], "processes can be limited on Linux only");
        }

        string[] asUser = Environment.IsPrivilegedProcess ? ["setpriv", $"--reuid={OtherUser}", $"--regid={Group()}", "--clear-groups", "--no-new-privs", "--"] : [];
        string who = asUser.Length > 0 ? $"user {OtherUser}" : "this user";
        string[] limited = ["prlimit", "--as=1000000000", "--cpu=5", "--nproc=1000", "--", "true"];
        if (Works([.. asUser, .. InNamespace, .. Reaper, .. limited]))
        {
            return new Sandbox(SandboxKind.Namespace, asUser, $"{who}, PID namespace, resource limits");
        }

        return Works([.. asUser, "setsid", .. limited])
            ? new Sandbox(SandboxKind.Session, asUser, $"{who}, session, resource limits; no PID namespace can be made")
            : new Sandbox(SandboxKind.None, [], $"{(asUser.Length > 0 ? "setpriv (with a user nobody), " : "")}setsid and prlimit of util-linux are needed");
    }

    private static string Group()
    {
        try
        {
            return File.ReadLines("/etc/group").Any(line => line.StartsWith("nogroup:", StringComparison.Ordinal)) ? "nogroup" : OtherUser;
        }
        catch (IOException)
        {
            return OtherUser;
        }
    }

    private static bool Works(string[] command)
    {
        try
        {
            using Process probe = Process.Start(new ProcessStartInfo(command[0], command[1..])
            {
                UseShellExecute = false,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
                WorkingDirectory = "/",
            })!;
            if (probe.WaitForExit(TimeSpan.FromSeconds(20)))
            {
                return probe.ExitCode == 0;
            }

            probe.Kill(entireProcessTree: true);
            return false;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // the program is not installed
        }
    }
}

public enum SandboxKind
{
    None,
    Session,
    Namespace,
}
