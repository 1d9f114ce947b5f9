using System.Collections.Immutable;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster.Hosting;
using Akka.Hosting;
using GrpoActors.Actors;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Runs;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Nodes;

/// <summary>
/// A process of the cluster: the plan with what it names, one HTTP server, and an actor system that is started again when the cluster has put this node out.
/// </summary>
internal sealed class ClusterNode : IAsyncDisposable
{
    private const string System = "grpo", Manager = "coordinator";

    /// <summary>So long a coordinator whose run is over stays to tell those who ask.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(3);

    private readonly NodeOptions options;
    private readonly NodeSettings settings;
    private readonly RunSetup setup;
    private readonly RunFolder? folder; // a trainer's: held as long as the process lives
    private readonly RunJournal journal;
    private readonly NodeServer server;
    private readonly NodeSecurity security;
    private readonly BulkClient bulk;
    private readonly WeightsFetcher fetcher;
    private readonly NodeContents contents;
    private readonly WorkerServices services;
    private readonly RunStatus status;
    private readonly RunInstruments instruments;
    private readonly CrashPoints crashPoints;
    private readonly bool acceptLostTail;
    private readonly Action<StepReport> report;
    private readonly PlanResult plan;
    private readonly KnownMembers members;
    private readonly TaskCompletionSource drain = new(TaskCreationOptions.RunContinuationsAsynchronously); // asked for over HTTP
    private volatile string standing = "the node is starting";
    private volatile bool joined;

    private ClusterNode(NodeOptions options, PlanResult plan, RunSetup setup, RunFolder? folder, NodeSecurity security, ContentStore store, NodeServer server, RunStatus status, RunInstruments instruments, GrpoRunSettings run, Action<StepReport> report, ILoggerFactory logs)
    {
        (this.options, this.plan, this.setup, this.folder, this.security, this.server, this.status, this.report) = (options, plan, setup, folder, security, server, status, report);
        this.instruments = instruments;
        settings = NodeSettings.Of(options.Config);
        (crashPoints, acceptLostTail) = (run.CrashPoints, run.AcceptLostTail);
        bulk = new BulkClient(settings.Downloads, security, store, TimeProvider.System);
        var weights = new WeightStore();
        fetcher = new WeightsFetcher(bulk, weights, setup.Spec);
        contents = new NodeContents(store, bulk, fetcher, weights);
        journal = RunJournal.Of(JournalOf(options, setup), RunFolderOf(setup), setup.Identity);
        members = new KnownMembers(Path.Combine(NodeFolderOf(options, setup), "members"), logs.CreateLogger(options.Name));
        services = new WorkerServices
        {
            Setup = setup,
            Weights = weights,
            Contents = contents,
            Journal = journal,
            Checkpoints = folder is null ? null : new CheckpointStore(crashPoints.Around(PhysicalDisk.Instance), folder.Checkpoints),
            Prefix = options.Name + "/",
            AskAgainAfter = settings.AskAgainAfter,
            LeaseRenewal = settings.LeaseRenewal,
            CrashPoints = crashPoints,
            Instruments = instruments,
            Logs = logs,
        };
    }

    public Uri Http => server.Address;

    /// <summary>How the run ended for this node; it may go on serving its reports then.</summary>
    public Task<RunOutcome> Ended => status.Ended;

    /// <exception cref="ConfigException">The run file, the node's options, or what they name, is wrong.</exception>
    public static async Task<ClusterNode> OpenAsync(NodeOptions options, GrpoRunSettings settings, Action<StepReport> report, ILoggerFactory logs)
    {
        PlanResult plan = GrpoRun.Check(options.RunFile, settings, withRows: false); // Build reads them
        RunSetup setup = RunComposition.Build(plan.PlanOrThrow(), settings.Rewards);
        RunFolder? folder = null;
        try
        {
            NodeSecurity security = NodeSecurity.Read(options.Config, Environment.GetEnvironmentVariable);
            Binding.RequireTls(options.Host, security);
            if (settings.Fresh)
            {
                SetAside(options, setup);
            }

            if (options.Has(NodeRoles.Trainer))
            {
                folder = RunFolder.Open(NodeFolderOf(options, setup));
                PlanFile.Keep(folder, setup.Plan, plan.Values);
            }

            var status = new RunStatus();
            var instruments = new RunInstruments(status);
            NodeSettings node = NodeSettings.Of(options.Config);
            var store = new ContentStore(node.Contents, TimeProvider.System);
            ClusterNode? made = null;
            var reports = new NodeReports(
                () => made?.Ready() ?? new ReadyReport(false, "the node is starting"), instruments.Meter, () => made?.Status() ?? new { }, () => made?.drain.TrySetResult());
            var serverOptions = new NodeServerOptions(options.Host, options.HttpPort)
            {
                AdvertisedHost = options.AdvertisedHost,
                BulkDownloadsMax = node.BulkDownloadsMax,
                ContentDownloadsMax = node.ContentDownloadsMax,
                Reports = reports,
            };
            NodeServer server = await NodeServer.StartAsync(serverOptions, store, security, logs);
            return made = new ClusterNode(options, plan, setup, folder, security, store, server, status, instruments, settings, report, logs);
        }
        catch
        {
            folder?.Dispose();
            setup.Dispose();
            throw;
        }
    }

    /// <summary>Takes part in the cluster until the run is over, or this node is to stop; a node that the cluster has put out joins it again.</summary>
    /// <returns>Null: it was stopped, or drained, before the run was over.</returns>
    public async Task<RunOutcome?> RunAsync(CancellationToken stop)
    {
        ILogger log = services.Logs.CreateLogger(options.Name);
        while (true)
        {
            using var work = new CancellationTokenSource(); // ends the blocking work of this host's actors
            using IHost host = Host(work.Token);
            await host.StartAsync(CancellationToken.None);
            ActorSystem system = host.Services.GetRequiredService<ActorSystem>();
            Task leave = Task.WhenAny(Cancelled(stop), drain.Task);
            Task left = await Task.WhenAny(status.Ended, system.WhenTerminated, leave);
            joined = false;
            if (left == system.WhenTerminated && !leave.IsCompleted)
            {
                await work.CancelAsync();
                standing = "the cluster has put this node out; it joins again";
                log.PutOut(settings.RejoinAfter);
                await host.StopAsync(CancellationToken.None);
                await Task.WhenAny(Task.Delay(settings.RejoinAfter, CancellationToken.None), leave);
                if (!leave.IsCompleted)
                {
                    continue;
                }
            }

            bool over = status.Ended.IsCompleted;
            if (over)
            {
                standing = "the run is over";
                await Task.WhenAny(options.Stay ? leave : Task.Delay(options.Has(NodeRoles.Coordinator) ? Farewell : TimeSpan.Zero, CancellationToken.None), leave);
            }
            else if (!system.WhenTerminated.IsCompleted)
            {
                standing = "the node drains";
                await Drain(system, log);
            }

            await work.CancelAsync();
            await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
            await host.StopAsync(CancellationToken.None);
            return over ? await status.Ended : null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        fetcher.Dispose();
        bulk.Dispose();
        instruments.Dispose();
        setup.Dispose();
        folder?.Dispose();
    }

    private static async Task Cancelled(CancellationToken stop)
    {
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = stop.Register(() => cancelled.TrySetResult());
        await cancelled.Task;
    }

    /// <summary>Keeps what an earlier run of this name left under another one: this node's folder, and on the coordinator the journal.</summary>
    private static void SetAside(NodeOptions options, RunSetup setup)
    {
        RunFolder.Open(NodeFolderOf(options, setup), fresh: true).Dispose();
        if (options.Has(NodeRoles.Coordinator))
        {
            RunJournal.Of(JournalOf(options, setup), RunFolderOf(setup), setup.Identity).SetAside();
        }
    }

    /// <summary>Full path of the run's own folder, as every node's run file says it: it names the run.</summary>
    private static string RunFolderOf(RunSetup setup) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(setup.Plan.Operation.RunFolder));

    /// <summary>Where this node keeps its files: the run's folder where the coordinator is, one of its own elsewhere.</summary>
    private static string NodeFolderOf(NodeOptions options, RunSetup setup) =>
        options.Folder ?? (options.Has(NodeRoles.Coordinator) ? RunFolderOf(setup) : Path.Combine(RunFolderOf(setup), "nodes", options.Name));

    /// <summary>The setting; without one, a coordinator that was given a folder keeps the journal there.</summary>
    private static string? JournalOf(NodeOptions options, RunSetup setup) =>
        string.IsNullOrEmpty(setup.Plan.Operation.Journal) && options.Has(NodeRoles.Coordinator) && options.Folder is { } own
            ? RunJournal.FileOf(null, Path.GetFullPath(own))
            : setup.Plan.Operation.Journal;

    private IHost Host(CancellationToken work)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton(services.Logs);
        builder.Services.AddAkka(System, akka =>
        {
            akka.ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLoggerFactory(new DeduplicatingLogger(services.Logs, TimeProvider.System));
            })
            .WithNode(options, SecurityHocon.For(security, options.Host));
            if (options.Has(NodeRoles.Coordinator))
            {
                RunServices coordinator = Coordinator();
                akka.WithSingleton<RunActor>(
                    Manager, options.Config.GetString("akka.cluster.singleton.singleton-name"), Props.CreateBy(new ActorMaker(() => new RunActor(coordinator))),
                    new ClusterSingletonOptions { TerminationMessage = RunActor.Stop.Instance }, createProxyToo: false);
            }

            akka.WithSingletonProxy<RunActor>(Manager, options.Config.GetString("akka.cluster.singleton-proxy.singleton-name"))
                .AddStartup((system, actors) => Start(system, actors.Get<RunActor>(), services with { Stopping = work }));
            akka.AddSetup(JournalSetup.Of(journal));
            foreach (Setup part in SecurityHocon.Setups(security))
            {
                akka.AddSetup(part);
            }
        });
        return builder.Build();
    }

    private void Start(ActorSystem system, IActorRef run, WorkerServices workers)
    {
        system.ActorOf(Props.CreateBy(new ActorMaker(() => new NodeActor(Workers(workers), run, status))), "node");
        Akka.Cluster.Cluster cluster = Akka.Cluster.Cluster.Get(system);
        cluster.RegisterOnMemberUp(() =>
        {
            joined = true;
            standing = "a member of the cluster";
        });
        standing = "joining the cluster";
        Address self = cluster.SelfAddress;
        IEnumerable<Address> seeds = options.Seeds.IsEmpty ? [self] : options.Seeds.Select(seed => self.WithHost(seed.Host).WithPort(seed.Port));
        if (options.Has(NodeRoles.Coordinator))
        {
            seeds = seeds.Concat(members.Read()).Distinct();
            system.ActorOf(Props.CreateBy(new ActorMaker(() => new KnownMembers.Watcher(members))), "members");
        }

        cluster.JoinSeedNodes(seeds);
    }

    private ImmutableArray<LocalWorker> Workers(WorkerServices workers)
    {
        WorkerPlacement here = WorkerPlacement.Here(workers);
        return
        [
            .. options.Has(NodeRoles.Trainer) ? here.Trainer(fence: long.MaxValue, workers.Stopping) : [],
            .. options.Has(NodeRoles.Scorer) ? here.Scorers(workers.Stopping) : [],
            .. options.Has(NodeRoles.Generator) ? here.Generators(workers.Stopping) : [],
        ];
    }

    private RunServices Coordinator() => new()
    {
        Setup = setup,
        OpenLog = OpenLog,
        Journal = journal,
        Contents = contents,
        Status = status,
        Instruments = instruments,
        Log = services.Logs.CreateLogger("run"),
        Workers = WorkerPlacement.Elsewhere(setup.Plan),
        AcceptLostTail = acceptLostTail,
        LeaseDuration = settings.LeaseLength,
        AppendMax = settings.AppendMax,
        RestartsMax = settings.RestartsMax,
        CommandsPerAppendMax = settings.CommandsPerAppendMax,
        CrashPoints = crashPoints,
    };

    private RunLog OpenLog()
    {
        IDisk disk = crashPoints.Around(PhysicalDisk.Instance, "projection");
        if (folder is not null)
        {
            return new RunLog(setup, folder, ownsFolder: false, disk, report, TimeProvider.System);
        }

        RunFolder opened = RunFolder.Open(NodeFolderOf(options, setup));
        try
        {
            PlanFile.Keep(opened, setup.Plan, plan.Values);
        }
        catch
        {
            opened.Dispose();
            throw;
        }

        return new RunLog(setup, opened, ownsFolder: true, disk, report, TimeProvider.System);
    }

    private async Task Drain(ActorSystem system, ILogger log)
    {
        log.Draining(settings.DrainMax);
        using var patience = new CancellationTokenSource(settings.DrainMax);
        try
        {
            IActorRef node = await system.ActorSelection("/user/node").ResolveOne(TimeSpan.FromSeconds(1), patience.Token);
            await node.Ask<Drained>(Actors.Workers.Drain.Instance, patience.Token);
        }
        catch (Exception e) when (e is ActorNotFoundException or TaskCanceledException or AskTimeoutException)
        {
            // it takes too long: what it holds goes to others
        }
    }

    /// <summary>Whether it is a member of the cluster, and if not, what it does instead.</summary>
    public ReadyReport Ready() => new(joined, standing);

    private object Status() => NodeStatus.Of(options, standing, status);
}
