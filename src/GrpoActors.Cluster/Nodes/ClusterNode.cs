using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Hosting;
using Akka.Remote.Transport.DotNetty;
using GrpoActors.Actors;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Coordination;
using GrpoActors.Actors.Persistence;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Workers;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
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
    private const string System = "grpo";

    /// <summary>So long a coordinator whose run is over stays to tell those who ask.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(3);

    private readonly NodeOptions options;
    private readonly Timing timing;
    private readonly RunSetup setup;
    private readonly RunFolder? folder; // a trainer's: held as long as the process lives
    private readonly NodeServer server;
    private readonly NodeSecurity security;
    private readonly BulkClient bulk;
    private readonly WeightsFetcher fetcher;
    private readonly RunJournal journal;
    private readonly NodeServices services;
    private readonly Action<StepReport> report;
    private readonly PlanResult plan;
    private volatile string standing = "the node is starting";
    private volatile bool joined;

    private ClusterNode(NodeOptions options, PlanResult plan, RunSetup setup, RunFolder? folder, NodeSecurity security, NodeShelf shelf, NodeServer server, RunStanding run, Action<StepReport> report, ILoggerFactory logs)
    {
        (this.options, this.plan, this.setup, this.folder, this.security, this.server, this.report) = (options, plan, setup, folder, security, server, report);
        timing = Timing.Of(options.Config);
        bulk = new BulkClient(new BulkClientOptions { Authorities = security.Authorities, CheckHostName = security.CheckHostName }, security.Secret, shelf, TimeProvider.System);
        var weights = new WeightStore();
        fetcher = new WeightsFetcher(bulk, weights, setup.Spec);
        ICheckpointStore? checkpoints = folder is null ? null : new CheckpointStore(PhysicalDisk.Instance, folder.Checkpoints);
        journal = RunJournal.Of(JournalOf(options, setup), RunFolderOf(setup), setup.Identity);
        services = new NodeServices(options.Name, setup, shelf, bulk, weights, fetcher, journal, checkpoints, run, timing.AskAgainAfter, timing.LeaseRenewal, options.AcceptLostTail, TimeProvider.System, logs);
        if (folder is not null)
        {
            shelf.OfferCheckpoints(folder.Checkpoints);
        }
    }

    public Uri Http => server.Address;

    /// <exception cref="ConfigException">The run file, the node's options, or what they name, is wrong.</exception>
    public static async Task<ClusterNode> OpenAsync(NodeOptions options, GrpoRunSettings settings, Action<StepReport> report, ILoggerFactory logs)
    {
        PlanResult plan = GrpoRun.Check(options.RunFile, settings with { Overrides = [.. settings.Overrides, .. options.Overrides] });
        RunSetup setup = RunComposition.Build(plan.PlanOrThrow(), settings.Rewards);
        RunFolder? folder = null;
        try
        {
            NodeSecurity security = NodeSecurity.Read(options.Config, Environment.GetEnvironmentVariable);
            Binding.RequireSecret(options.Host, security.Secret);
            if (options.Has(NodeRoles.Trainer))
            {
                folder = RunFolder.Open(NodeFolderOf(options, setup));
                PlanFile.Keep(folder, setup.Plan, plan.Values);
            }

            var run = new RunStanding();
            var shelf = new NodeShelf(new NodeShelfOptions(), TimeProvider.System);
            ClusterNode? node = null;
            var reports = new NodeReports(() => node?.Ready() ?? new ReadyReport(false, "the node is starting"), run.Numbers, () => node?.Status() ?? new { });
            NodeServer server = await NodeServer.StartAsync(Server(options, security, reports), shelf, security.Secret, logs);
            return node = new ClusterNode(options, plan, setup, folder, security, shelf, server, run, report, logs);
        }
        catch
        {
            folder?.Dispose();
            setup.Dispose();
            throw;
        }
    }

    /// <summary>Takes part in the cluster until the run is over, or this node is to stop; a node that the cluster has put out joins it again.</summary>
    /// <returns>Null: it was stopped before the run was over.</returns>
    public async Task<RunOutcome?> RunAsync(CancellationToken stop)
    {
        ILogger log = services.Logs.CreateLogger(options.Name);
        if (Binding.Warning(options.Host, security.Certificate is not null) is { } warning)
        {
            log.LogWarning("{Warning}", warning);
        }

        while (true)
        {
            using IHost host = Host();
            await host.StartAsync(CancellationToken.None);
            ActorSystem system = host.Services.GetRequiredService<ActorSystem>();
            Task left = await Task.WhenAny(services.Standing.Ended, system.WhenTerminated, Cancelled(stop));
            joined = false;
            if (left == system.WhenTerminated && !stop.IsCancellationRequested)
            {
                standing = "the cluster has put this node out; it joins again";
                log.LogWarning("The cluster has put this node out; it joins again in {Pause}", timing.RejoinAfter);
                await host.StopAsync(CancellationToken.None);
                await Task.WhenAny(Task.Delay(timing.RejoinAfter, CancellationToken.None), Cancelled(stop));
                if (!stop.IsCancellationRequested)
                {
                    continue;
                }
            }

            bool over = services.Standing.Ended.IsCompleted;
            if (over)
            {
                standing = "the run is over";
                await Task.WhenAny(options.Stay ? Cancelled(stop) : Task.Delay(options.Has(NodeRoles.Coordinator) ? Farewell : TimeSpan.Zero, CancellationToken.None), Cancelled(stop));
            }
            else if (!system.WhenTerminated.IsCompleted)
            {
                standing = "the node drains";
                await Drain(system, log);
            }

            await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
            await host.StopAsync(CancellationToken.None);
            return over ? await services.Standing.Ended : null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        fetcher.Dispose();
        bulk.Dispose();
        setup.Dispose();
        folder?.Dispose();
    }

    private static async Task Cancelled(CancellationToken stop)
    {
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = stop.Register(() => cancelled.TrySetResult());
        await cancelled.Task;
    }

    /// <summary>Full path of the run's own folder, as every node's run file says it: it names the run.</summary>
    private static string RunFolderOf(RunSetup setup) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(setup.Plan.Operation.RunFolder));

    /// <summary>Where this node keeps its files: the run's folder where the coordinator is, one of its own elsewhere.</summary>
    private static string NodeFolderOf(NodeOptions options, RunSetup setup) =>
        options.Folder ?? (options.Has(NodeRoles.Coordinator) ? RunFolderOf(setup) : Path.Combine(RunFolderOf(setup), "nodes", options.Name));

    /// <summary>The setting; without one, a coordinator that was given a folder keeps the journal there.</summary>
    private static string? JournalOf(NodeOptions options, RunSetup setup) =>
        string.IsNullOrEmpty(setup.Plan.Operation.Journal) && options.Has(NodeRoles.Coordinator) && options.Folder is { } own ? RunJournal.FileOf(null, Path.GetFullPath(own)) : setup.Plan.Operation.Journal;

    private IHost Host()
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton(services.Logs);
        Config config = SecurityHocon.For(security, options.Host).WithFallback(NodeHocon.Of(options));
        builder.Services.AddAkka(System, akka =>
        {
            akka.ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLoggerFactory(new OncePerSentence(services.Logs));
            })
            .AddHocon(config, HoconAddMode.Replace)
            .AddStartup((system, _) => Start(system));
            akka.AddSetup(JournalSetup.Of(journal));
            ActorSystemSetup setups = SecurityHocon.Setup(security);
            foreach (Setup part in new[] { setups.Get<JoinSecretSetup>().Value, (Setup?)setups.Get<DotNettySslSetup>().Value }.OfType<Setup>())
            {
                akka.AddSetup(part);
            }
        });
        return builder.Build();
    }

    private static NodeServerOptions Server(NodeOptions options, NodeSecurity security, NodeReports reports) => new(options.Host, options.HttpPort)
    {
        AdvertisedHost = options.AdvertisedHost,
        Certificate = security.Certificate,
        BulkDownloadsMax = options.Config.GetInt("grpo.bulk.downloads-max"),
        ContentDownloadsMax = options.Config.GetInt("grpo.bulk.content-downloads-max"),
        Reports = reports,
    };

    private void Start(ActorSystem system)
    {
        if (options.Has(NodeRoles.Coordinator))
        {
            CoordinatorServices coordinator = Coordinator();
            ClusterSingletonManagerSettings singleton = ClusterSingletonManagerSettings.Create(system);
            system.ActorOf(ClusterSingletonManager.Props(Props.Create(() => new RunSupervisorActor(coordinator)), PoisonPill.Instance, singleton), "coordinator");
        }

        IActorRef run = system.ActorOf(ClusterSingletonProxy.Props("/user/coordinator", ClusterSingletonProxySettings.Create(system)), "run");
        if (options.Has(NodeRoles.Trainer))
        {
            system.ActorOf(Props.Create(() => new TrainerActor(services, "trainer", run)).WithDispatcher("grpo.dispatchers.engine"), "trainer");
        }

        if (options.Has(NodeRoles.Scorer))
        {
            system.ActorOf(Props.Create(() => new ScorerActor(services, "scorer", run)), "scorer");
        }

        for (int i = 1; options.Has(NodeRoles.Generator) && i <= setup.Plan.Operation.Generators; i++)
        {
            string name = $"generator-{i}";
            system.ActorOf(Props.Create(() => new GeneratorActor(services, name, run)), name);
        }

        Akka.Cluster.Cluster cluster = Akka.Cluster.Cluster.Get(system);
        cluster.RegisterOnMemberUp(() =>
        {
            joined = true;
            standing = "a member of the cluster";
        });
        standing = "joining the cluster";
        Address self = cluster.SelfAddress;
        cluster.JoinSeedNodes(options.Seeds.IsEmpty ? [self] : options.Seeds.Select(seed => self.WithHost(seed.Host).WithPort(seed.Port)));
    }

    private CoordinatorServices Coordinator()
    {
        string path = NodeFolderOf(options, setup);
        return new CoordinatorServices(
            setup, OpenFolder, Prepared,
            bulk, services.Shelf, services.Standing, timing.LeaseLength, timing.AnswerMax, timing.RestartsMax, timing.CommandsPerAppendMax, report, TimeProvider.System);

        RunJournal Prepared()
        {
            journal.Prepare();
            return journal;
        }

        CoordinatorFolder OpenFolder()
        {
            if (folder is not null)
            {
                return new CoordinatorFolder(folder, Owned: false);
            }

            RunFolder opened = RunFolder.Open(path);
            try
            {
                PlanFile.Keep(opened, setup.Plan, plan.Values);
            }
            catch
            {
                opened.Dispose();
                throw;
            }

            return new CoordinatorFolder(opened, Owned: true);
        }
    }

    private async Task Drain(ActorSystem system, ILogger log)
    {
        log.LogInformation("Draining: what this node holds is finished, or given back after {Drain}", timing.DrainMax);
        string[] workers = [NodeRoles.Trainer, NodeRoles.Scorer, .. Enumerable.Range(1, setup.Plan.Operation.Generators).Select(i => $"generator-{i}")];
        using var patience = new CancellationTokenSource(timing.DrainMax);
        await Task.WhenAll(workers.Select(async worker =>
        {
            try
            {
                IActorRef actor = await system.ActorSelection($"/user/{worker}").ResolveOne(TimeSpan.FromSeconds(1), patience.Token);
                await actor.Ask<WorkerActor.Drained>(WorkerActor.Drain.Instance, patience.Token);
            }
            catch (Exception e) when (e is ActorNotFoundException or TaskCanceledException or AskTimeoutException)
            {
                // there is none, or it takes too long: what it holds goes to others
            }
        }));
    }

    private ReadyReport Ready() => new(joined, standing);

    private object Status() => NodeStatus.Of(options, standing, services.Standing);

    /// <summary>The times and counts of <c>reference.conf</c> that this program reads itself.</summary>
    private sealed record Timing(
        TimeSpan DrainMax, TimeSpan RejoinAfter, TimeSpan AskAgainAfter, TimeSpan LeaseLength, TimeSpan LeaseRenewal, TimeSpan AnswerMax, int RestartsMax, int CommandsPerAppendMax)
    {
        public static Timing Of(Config config) => new(
            config.GetTimeSpan("grpo.node.drain-max"), config.GetTimeSpan("grpo.node.rejoin-after"), config.GetTimeSpan("grpo.worker.ask-again-after"),
            config.GetTimeSpan("grpo.coordinator.lease.length"), config.GetTimeSpan("grpo.coordinator.lease.renew-every"), config.GetTimeSpan("grpo.coordinator.answer-max"),
            config.GetInt("grpo.coordinator.restarts-max"), config.GetInt("grpo.coordinator.commands-per-append-max"));
    }
}
