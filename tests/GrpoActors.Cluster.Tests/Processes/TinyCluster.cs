using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using GrpoActors.Actors;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Tests.Audit;
using Xunit;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>
/// A cluster of real processes on the loopback interface that trains a policy of a thousand weights. Whoever is killed is started again at once by its keeper, as systemd or Kubernetes would.
/// </summary>
internal sealed class TinyCluster : IDisposable
{
    /// <summary>What the nodes of a test share.</summary>
    public const string Secret = "what the nodes of a test share";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly TemporaryFolder folder = new();
    private readonly List<Keeper> keepers = [];
    private readonly string[] settings;
    private readonly int[] ports;
    private readonly TwoNetworks? networks;
    private TaskCompletionSource stepped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int steps;

    /// <param name="settings">Of the run file, as for <c>--set</c>.</param>
    public TinyCluster(params string[] settings)
        : this(null, settings)
    {
    }

    /// <param name="networks">Null: all nodes are on the loopback interface.</param>
    public TinyCluster(TwoNetworks? networks, string[] settings)
    {
        this.networks = networks;
        this.settings = settings;
        int[] free = FreePorts(3);
        (ports, HttpPort) = (free[..2], free[2]);
        TinyRunFiles.Write(folder.Path);
    }

    public IReadOnlyList<Keeper> Nodes => keepers;

    /// <summary>False: nodes have the shipped configuration alone.</summary>
    public bool IsHurried { get; init; } = true;

    /// <summary>By a node's name, for each of its processes: the value of <see cref="CrashPoints.Variable"/>; null: none.</summary>
    public Func<string, string?> CrashAt { get; init; } = static _ => null;

    /// <summary>So long a killed node is away.</summary>
    public TimeSpan Away { get; init; }

    /// <summary>Steps that a coordinator has said are committed.</summary>
    public int Steps => Volatile.Read(ref steps);

    /// <summary>Where the journal is looked for, and the run's plan.</summary>
    public string RunFolder => folder.File("run");

    /// <summary>The hashes of the same run of `grpo train`.</summary>
    public async Task<string> OnOneMachine()
    {
        using GrpoRun run = GrpoRun.Open(folder.File(TinyRunFiles.RunFile), new GrpoRunSettings
        {
            Overrides = [.. settings.Where(setting => !setting.StartsWith("journal=", StringComparison.Ordinal)).Select(Pair), ("run_dir", folder.File("one-machine"))],
        });
        await foreach (var step in run.TrainAsync())
        {
            _ = step;
        }

        return $"{run.Result!.WeightsSha256} {run.Result.OptimizerSha256} {run.Result.LedgerSha256}";
    }

    /// <summary>The first two nodes are those that others join through: in two networks, one in each.</summary>
    /// <param name="further">Arguments after the usual ones, whose settings they overrule.</param>
    public Keeper Start(string name, string roles, int network = 0, params string[] further)
    {
        Keeper keeper = Launch(name, roles, keepers.Count < ports.Length ? ports[keepers.Count] : 0, network, Secret, Said, further);
        keepers.Add(keeper);
        return keeper;
    }

    /// <summary>A node that wants to join with another secret. Not one of <see cref="Nodes"/>.</summary>
    public Keeper Stranger(string name, string roles, string secret) => Launch(name, roles, port: 0, network: 0, secret, said: _ => { });

    /// <summary>Where the first node serves weights and status.</summary>
    public int HttpPort { get; }

    /// <summary>Where one of the first two nodes listens for the others.</summary>
    public int Port(int node) => ports[node];

    private Keeper Launch(string name, string roles, int port, int network, string secret, Action<string> said, params string[] further)
    {
        string[] arguments =
        [
            "node", folder.File(TinyRunFiles.RunFile), "--name", name, "--roles", roles, "--port", port.ToString(CultureInfo.InvariantCulture), "--http-port", (port == ports[0] ? HttpPort : 0).ToString(CultureInfo.InvariantCulture), "--json",
            "--host", Address(network), .. IsHurried ? new[] { "--config", folder.File(TinyRunFiles.Hurried) } : [], .. ports.SelectMany((seed, i) => new[] { "--seed", $"{Address(i)}:{seed}" }),
            "--set", $"run_dir={RunFolder}", .. settings.SelectMany(setting => new[] { "--set", setting }), .. further,
        ];
        return new Keeper(name, networks?.Inside(network) ?? [], arguments, secret, said, () => CrashAt(name), Away);
    }

    /// <summary>Completes when the next step is committed, however long that takes.</summary>
    public Task NextStep() => Volatile.Read(ref stepped).Task;

    /// <summary>Completes when so many more steps are committed, or the run has ended.</summary>
    public async Task MoreSteps(int count, Task finished)
    {
        for (int goal = Steps + count; Steps < goal && !finished.IsCompleted;)
        {
            try
            {
                await Task.WhenAny(NextStep(), finished).WaitAsync(Patience);
            }
            catch (TimeoutException late)
            {
                throw new TimeoutException($"Not one step more in {Patience.TotalMinutes:0} minutes, after {Steps}.\n{Logs()}", late);
            }
        }
    }

    /// <summary>What the journal holds at this moment.</summary>
    public IReadOnlyList<RunEvent> Events() => [.. RecordedRun.Open(RunFolder).Events().Select(e => e.Event)];

    /// <summary>Hashes of the result, once every process has ended by itself.</summary>
    /// <param name="patience">For all of it; null: five minutes.</param>
    public async Task<string> Finished(TimeSpan? patience = null)
    {
        string output = await keepers[0].Ended.WaitAsync(patience ?? Patience);
        JsonElement result = JsonDocument.Parse(output.Trim().Split('\n')[^1]).RootElement;
        return $"{result.GetProperty("weightsSha256")} {result.GetProperty("optimizerSha256")} {result.GetProperty("ledgerSha256")}";
    }

    /// <summary>The same hashes as the journal has them.</summary>
    public string Recorded()
    {
        FoldedEvent[] events = [.. RecordedRun.Open(RunFolder).Events()];
        RunEvent.CheckpointWritten last = events.Select(e => e.Event).OfType<RunEvent.CheckpointWritten>().Last();
        return $"{last.WeightsSha256} {last.OptimizerSha256} {events[^1].After.Chain}";
    }

    /// <summary>What the journal alone says is wrong.</summary>
    public IReadOnlyList<string> Findings() => [.. RecordedRun.Open(RunFolder).Audit().Findings.Select(finding => finding.ToString()!)];

    public string Logs() => string.Join("\n", keepers.Select(keeper => $"== {keeper.Name}\n{keeper.Log}"));

    public void Dispose()
    {
        foreach (Keeper keeper in keepers)
        {
            keeper.Dispose();
        }

        folder.Dispose();
    }

    private string Address(int network) => networks?.Address(network) ?? "127.0.0.1";

    private void Said(string line)
    {
        if (line.Contains(" tok/s ", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref steps);
            Interlocked.Exchange(ref stepped, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }

    private static (string Key, string Value) Pair(string setting) => (setting[..setting.IndexOf('=', StringComparison.Ordinal)], setting[(setting.IndexOf('=', StringComparison.Ordinal) + 1)..]);

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners)
        {
            listener.Start();
        }

        int[] free = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners)
        {
            listener.Dispose();
        }

        return free;
    }

    /// <summary>One node's process and its successors: one that was killed is followed by another with the same arguments, one that ends by itself by none.</summary>
    internal sealed class Keeper : IDisposable
    {
        private const int Killed = 128 + 9;
        private readonly TaskCompletionSource<string> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<string> log = [];
        private readonly string[] command;
        private readonly string secret;
        private readonly Action<string> said;
        private readonly Func<string?> crashAt;
        private readonly TimeSpan away;
        private readonly Lock gate = new();
        private Process process;
        private bool over;

        /// <param name="inside">What the program is started through, if anything; it must become the program.</param>
        /// <param name="said">Told each line of the log.</param>
        /// <param name="crashAt">Asked for each process.</param>
        /// <param name="away">Between the death of a process and the start of its successor.</param>
        public Keeper(string name, string[] inside, string[] arguments, string secret, Action<string> said, Func<string?> crashAt, TimeSpan away)
        {
            (this.crashAt, this.away) = (crashAt, away);
            Name = name;
            this.secret = secret;
            command = [.. inside, "dotnet", Path.Combine(AppContext.BaseDirectory, "grpo.dll"), .. arguments];
            this.said = said;
            process = Launch();
        }

        public string Name { get; }

        /// <summary>Standard output of the process that ended by itself.</summary>
        public Task<string> Ended => ended.Task;

        public int Kills { get; private set; }

        public string Log
        {
            get
            {
                lock (log)
                {
                    return string.Join("\n", log);
                }
            }
        }

        /// <summary>SIGKILL; the keeper starts the node again.</summary>
        /// <returns>False: it had ended.</returns>
        public bool Kill()
        {
            lock (gate)
            {
                if (over || process.HasExited)
                {
                    return false;
                }

                process.Kill();
                Kills++;
                return true;
            }
        }

        /// <summary>Stops the process where it is (SIGSTOP).</summary>
        public void Freeze() => Send(19);

        /// <summary>Lets it go on (SIGCONT).</summary>
        public void Thaw() => Send(18);

        /// <summary>Asks it to drain and end (SIGTERM); nobody starts it again.</summary>
        public void Terminate() => Send(15);

        public void Dispose()
        {
            lock (gate)
            {
                over = true;
                if (!process.HasExited)
                {
                    process.Kill();
                }
            }

            ended.TrySetException(new InvalidOperationException($"{Name} was put away."));
            _ = ended.Task.Exception;
        }

        private Process Launch()
        {
            var start = new ProcessStartInfo(command[0]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
            start.Environment["GRPO_CLUSTER_SECRET"] = secret;
            start.Environment[CrashPoints.Variable] = crashAt();
            foreach (string argument in command[1..])
            {
                start.ArgumentList.Add(argument);
            }

            Process launched = Process.Start(start)!;
            launched.StandardInput.Close();
            launched.ErrorDataReceived += (_, line) =>
            {
                lock (log)
                {
                    log.Add(line.Data ?? "");
                }

                said(line.Data ?? "");
            };
            launched.BeginErrorReadLine();
            _ = Watch(launched);
            return launched;
        }

        [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        private static extern int SendSignal(int process, int signal);

        private void Send(int signal)
        {
            lock (gate)
            {
                if (!process.HasExited)
                {
                    _ = SendSignal(process.Id, signal);
                }
            }
        }

        private async Task Watch(Process watched)
        {
            string output = await watched.StandardOutput.ReadToEndAsync();
            await watched.WaitForExitAsync();
            if (watched.ExitCode == Killed)
            {
                await Task.Delay(away);
            }

            lock (gate)
            {
                if (!over && watched.ExitCode == Killed)
                {
                    process = Launch();
                    return;
                }
            }

            if (watched.ExitCode == 0)
            {
                ended.TrySetResult(output);
            }
            else
            {
                ended.TrySetException(new InvalidOperationException($"{Name} ended with {watched.ExitCode}.\n{Log}"));
            }
        }
    }
}
