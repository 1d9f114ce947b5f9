using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Npgsql;
using Xunit;

namespace GrpoActors.Journal.Tests;

/// <summary>
/// A private PostgreSQL server in a temporary folder, on a free port of the loopback interface, started at the first use and stopped by its process at the
/// end. A server refuses to run as root, so there it runs as another user.
/// </summary>
public sealed class PostgresServer : IDisposable
{
    private static readonly string? Programs = FindPrograms();
    private static readonly string? OtherUser = FindUser();

    private const int PortsTriedMax = 20;

    private readonly TemporaryFolder folder = new();
    private Process? server;
    private Task everybodyGone = Task.CompletedTask;

    public static string? Missing { get; } =
        !OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS() ? "a private PostgreSQL server is started on Linux and macOS only"
        : Programs is null ? "no PostgreSQL server is installed: initdb and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin"
        : Environment.IsPrivilegedProcess && OtherUser is null ? "PostgreSQL does not run as root, and there is no setpriv with a user postgres or nobody"
        : null;

    public int Port { get; private set; }

    public string ConnectionString => Through(Started().Port);

    /// <summary>The same server through a proxy at this port.</summary>
    public static string Through(int port) => $"Host=127.0.0.1;Port={port};Database=postgres;Username=grpo;Timeout=120;Command Timeout=300";

    /// <summary>SIGKILL to the server with all its children; returns when the last of them is gone.</summary>
    public void Kill()
    {
        NpgsqlConnection.ClearAllPools();
        server!.Kill(entireProcessTree: true);
        server.WaitForExit();
        everybodyGone.GetAwaiter().GetResult();
        server.Dispose();
        server = null;
    }

    public PostgresServer Started()
    {
        if (server is null)
        {
            Start();
        }

        return this;
    }

    public void Dispose()
    {
        if (server is not null)
        {
            Kill();
        }

        folder.Dispose();
    }

    private void Start()
    {
        string data = folder.File("data");
        if (!Directory.Exists(data))
        {
            if (OtherUser is not null)
            {
                Finish(Process.Start("chown", [OtherUser, folder.Path]));
            }

            Finish(Launch("initdb", "-D", data, "-A", "trust", "-U", "grpo", "-E", "UTF8", "--locale=C", "--no-sync"));
        }

        var said = new StringBuilder();
        for (int tried = 0; tried < PortsTriedMax && server is null; tried++)
        {
            Port = FreePort(); // until the server listens there somebody else may take it
            server = Listening(data, said);
        }

        if (server is null)
        {
            throw new InvalidOperationException($"The private PostgreSQL server did not start:\n{said}");
        }
    }

    /// <returns>Null: it has ended, and said why.</returns>
    private Process? Listening(string data, StringBuilder said)
    {
        Process starting = Launch("postgres", "-D", data, "-k", folder.Path, "-p", $"{Port}", "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB", "-c", "max_connections=40");
        while (starting.StandardError.ReadLine() is { } line)
        {
            said.AppendLine(line);
            if (line.Contains("ready to accept connections", StringComparison.Ordinal))
            {
                everybodyGone = starting.StandardError.ReadToEndAsync(); // a full pipe would stop the server; its end has come when the last process that could write to it is gone
                return starting;
            }
        }

        starting.WaitForExit();
        starting.Dispose();
        return null;
    }

    private Process Launch(string program, params string[] arguments)
    {
        string path = Path.Combine(Programs!, program);
        var start = new ProcessStartInfo(OtherUser is null ? path : "setpriv") { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = program == "initdb", WorkingDirectory = folder.Path };
        foreach (string argument in (string[])[.. OtherUser is null ? Array.Empty<string>() : [$"--reuid={OtherUser}", $"--regid={OtherUser switch { "nobody" => "nogroup", _ => OtherUser }}", "--clear-groups", path], .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private static void Finish(Process process)
    {
        using (process)
        {
            if (process.StartInfo.RedirectStandardOutput)
            {
                process.BeginOutputReadLine();
            }

            string error = process.StartInfo.RedirectStandardError ? process.StandardError.ReadToEnd() : "";
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"{process.StartInfo.FileName} ended with {process.ExitCode}: {error}");
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string? FindPrograms()
    {
        IEnumerable<string> installed = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending(StringComparer.Ordinal).Select(version => Path.Combine(version, "bin"))
            : [];
        return installed.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            .FirstOrDefault(place => File.Exists(Path.Combine(place, "initdb")) && File.Exists(Path.Combine(place, "postgres")));
    }

    private static string? FindUser()
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/usr/bin/setpriv") || !File.Exists("/etc/passwd"))
        {
            return null;
        }

        string[] users = [.. File.ReadLines("/etc/passwd").Select(line => line.Split(':')[0])];
        return users.Contains("postgres") ? "postgres" : users.Contains("nobody") ? "nobody" : null;
    }
}

/// <summary>Tests that need the private server; they share one and run one after the other.</summary>
[CollectionDefinition("PostgreSQL")]
public sealed class PostgresCollection : ICollectionFixture<PostgresServer>;

public sealed class RequiresPostgresAttribute : RequiresAttribute
{
    public override string? Missing => PostgresServer.Missing;
}
