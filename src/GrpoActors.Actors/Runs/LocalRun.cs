using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Persistence.Sql;
using GrpoActors.Actors.Persistence;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Reports;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Runs;

/// <summary>A run on this machine: an actor system of provider <c>local</c> with the run's actor at its root and all workers below it.</summary>
internal sealed class LocalRun(RunSetup setup, RunFolder folder, RunJournal journal, ICheckpointStore checkpoints, TimeProvider time, ILogger log, CrashPoints crashPoints, bool acceptLostTail)
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);
    private const int PatiencesMax = 10;

    private readonly RunStatus status = new();
    private readonly BusyWorkers busy = new();
    private readonly WeightStore weights = new();

    /// <summary>Set when <see cref="TrainAsync"/> has come to the run's end.</summary>
    public RunResult? Result { get; private set; }

    /// <summary>Trains to the end, or until it is cancelled: then it stops with the state intact. Yields one report a step.</summary>
    public async IAsyncEnumerable<StepReport> TrainAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        Channel<StepReport> reports = Channel.CreateUnbounded<StepReport>();
        using var instruments = new RunInstruments(status);
        ActorSystem system = Start();
        IActorRef run = system.ActorOf(Props.CreateBy(new ActorMaker(() => new RunActor(Services(report => reports.Writer.TryWrite(report), instruments)))), "run");
        using CancellationTokenRegistration stopping = cancellation.Register(() =>
        {
            run.Tell(RunActor.Stop.Instance); // at once: no step is begun while the caller comes to the end of the stream
            reports.Writer.TryComplete();
        });
        Task over = status.Ended.ContinueWith(_ => reports.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            await foreach (StepReport report in reports.Reader.ReadAllAsync(CancellationToken.None))
            {
                yield return report;
            }
        }
        finally
        {
            await StopAsync(system, run, leaveBehind: !cancellation.IsCancellationRequested);
        }

        if (!over.IsCompleted)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        switch (await status.Ended)
        {
            case RunOutcome.Complete { Result: { } result }:
                Result = result;
                break;
            case RunOutcome.Failed failed:
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed.Failure);
                break;
        }
    }

    private ActorSystem Start() => ActorSystem.Create("grpo", BootstrapSetup.Create().WithConfig(LocalHocon.Config.WithFallback(SqlPersistence.DefaultConfiguration)).And(JournalSetup.Of(journal)));

    private RunServices Services(Action<StepReport> report, RunInstruments instruments)
    {
        var contents = new InProcessContents(weights);
        var workers = new WorkerServices
        {
            Setup = setup,
            Weights = weights,
            Contents = contents,
            Journal = journal,
            Checkpoints = checkpoints,
            Busy = busy,
            CrashPoints = crashPoints,
            Time = time,
            Instruments = instruments,
            Logs = new OneLogger(log),
        };
        return new RunServices
        {
            Setup = setup,
            OpenLog = () => new RunLog(setup, folder, ownsFolder: false, crashPoints.Around(PhysicalDisk.Instance, "projection"), report, time),
            Journal = journal,
            Contents = contents,
            Status = status,
            Instruments = instruments,
            Log = log,
            Workers = WorkerPlacement.Here(workers),
            Checkpoints = checkpoints,
            AcceptLostTail = acceptLostTail,
            AppendMax = Timeout.InfiniteTimeSpan,
            CrashPoints = crashPoints,
            Time = time,
        };
    }

    /// <summary>Returns when no actor is at work any more; names every half minute who still is, since what a worker uses cannot be taken from under it.</summary>
    /// <param name="leaveBehind">Who has not stopped within five minutes is left where it stands.</param>
    private async Task StopAsync(ActorSystem system, IActorRef run, bool leaveBehind)
    {
        run.Tell(RunActor.Stop.Instance);
        Task stopped = run.WatchAsync();
        int waited = 0;
        while (!stopped.IsCompleted)
        {
            try
            {
                await stopped.WaitAsync(StopPatience, time);
            }
            catch (TimeoutException)
            {
                string late = string.Join(", ", busy.Names);
                if (leaveBehind && ++waited >= PatiencesMax)
                {
                    log.WorkersLeftBehind(late, StopPatience * PatiencesMax);
                    _ = system.Terminate();
                    return;
                }

                log.WorkersLate(late, StopPatience);
            }
        }

        await system.Terminate();
        journal.Release();
        weights.RetireBelow(long.MaxValue); // their memory is given back
    }

    private sealed class OneLogger(ILogger log) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => log;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The run's logger is the one that its caller gave.");

        public void Dispose()
        {
            // the caller's
        }
    }
}

/// <summary>The configuration of a run on this machine.</summary>
internal static class LocalHocon
{
    public static Config Config { get; } = ConfigurationFactory.ParseString("""
        akka {
          actor.provider = local
          loggers = []
          loglevel = OFF
          stdout-loglevel = OFF
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          coordinated-shutdown {
            run-by-clr-shutdown-hook = off
            exit-clr = off
          }
        }
        """).WithFallback(ActorsHocon.Reference);
}
