using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Workers;

/// <summary>
/// A worker of the run: speaks with its stage and supervises the actors that do its blocking work, each on a thread of its own, so that a model's arithmetic holds up no message.
/// </summary>
internal abstract class WorkerActor : ReceiveActor
{
    private readonly Dictionary<string, Engine> engines = new(StringComparer.Ordinal);
    private VersionReached reached = new(0, 0);
    private int starts; // of all engine actors: a name is not free before its last bearer has ended

    /// <param name="run">The stage that it works for: its parent, or the run's singleton, wherever it is.</param>
    protected WorkerActor(WorkerServices services, string worker, IActorRef run)
    {
        Services = services;
        By = services.Identity(worker);
        Run = run;
        Log = services.Logs.CreateLogger(By.Name);
        Timers = new MessageTimers(services.Time, Self);
        Receive<VersionReached>(x =>
        {
            reached = x;
            services.Contents.RetireBelow(x.RetireBelow);
            Reached(x);
        });
        Receive<ChildFailed>(Failed);
        Receive<StartAgain>(x =>
        {
            if (engines.TryGetValue(x.Name, out Engine? engine) && engine.Ref.IsNobody())
            {
                Start(engine);
            }
        });
        Receive<Refused>(x =>
        {
            Log.NodeRefused(x.Reason);
            GiveUp(FailureResponse.StopRun, new RunFailedException($"refused by the coordinator: {x.Reason}"));
        });
        Receive<RunOver>(x => Context.Parent.Tell(new RunIsOver(x.Failure)));
    }

    protected WorkerServices Services { get; }

    protected WorkerIdentity By { get; }

    protected IActorRef Run { get; }

    protected ILogger Log { get; }

    protected MessageTimers Timers { get; }

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    protected override void PostStop()
    {
        Timers.Dispose();
        base.PostStop();
    }

    /// <summary>The present incarnation of an engine actor; nobody while it waits to be started again.</summary>
    protected IActorRef EngineOf(string name) => engines[name].Ref;

    /// <param name="name">As people read it, for example <c>generator-1</c>.</param>
    /// <param name="failed">Called after each failure, before the back-off.</param>
    protected void StartEngine(string name, Func<EngineActor> make, string dispatcher, Action failed)
    {
        var engine = new Engine(name, make, dispatcher, failed, RestartBudget.Full(Services.Setup.Plan.Operation.WorkerRestartsMax, reached.Version));
        engines[name] = engine;
        Start(engine);
    }

    /// <summary>It is told to stop when its present work ends, and is not started again.</summary>
    protected void StopEngine(string name)
    {
        if (engines.Remove(name, out Engine? engine))
        {
            Context.Stop(engine.Ref);
        }
    }

    protected virtual void Reached(VersionReached version)
    {
    }

    /// <summary>An engine has failed beyond its budget, or in a way that no restart mends.</summary>
    protected virtual void GiveUp(FailureResponse response, Exception failure) => Context.Parent.Tell(new WorkerGaveUp(response, failure));

    private void Failed(ChildFailed failed)
    {
        if (engines.Values.FirstOrDefault(engine => engine.Ref.Equals(failed.Child)) is not { } engine || Services.Stopping.IsCancellationRequested)
        {
            return; // one that was told to stop: whatever broke, its work is wanted no more
        }

        FailureResponse response = FailureTable.Of(FailedChild.Engine, failed.Failure);
        if (response != FailureResponse.RestartChild)
        {
            GiveUp(response, failed.Failure);
            return;
        }

        engine.Budget = engine.Budget.After(reached.Version);
        if (engine.Budget.IsExhausted)
        {
            GiveUp(FailureResponse.StopRun, new RunFailedException($"{engine.Name} failed {engine.Budget.Failures} times, the last time with: {failed.Failure.Message}", failed.Failure));
            return;
        }

        Log.WorkerRestarts(failed.Failure, engine.Name, engine.Budget.Failures, engine.Budget.RestartsMax, failed.Failure.Message);
        Services.Instruments.WorkerRestarts.Add(1);
        engine.Ref = ActorRefs.Nobody;
        engine.WhenFailed();
        Timers.Set(engine, new StartAgain(engine.Name), engine.Budget.Pause);
    }

    private void Start(Engine engine) =>
        engine.Ref = Context.ActorOf(Props.CreateBy(new ActorMaker(engine.Make)).WithDispatcher(engine.Dispatcher), $"{engine.Name.Replace('/', '.')}-{++starts}");

    private sealed record StartAgain(string Name);

    private sealed class Engine(string name, Func<EngineActor> make, string dispatcher, Action failed, RestartBudget budget)
    {
        public string Name => name;

        public Func<EngineActor> Make => make;

        public string Dispatcher => dispatcher;

        public Action WhenFailed => failed;

        /// <summary>Nobody while it waits to be started again.</summary>
        public IActorRef Ref { get; set; } = ActorRefs.Nobody;

        public RestartBudget Budget { get; set; } = budget;
    }
}

/// <summary>Does the blocking work of a worker, one message at a time, on a thread of its own. Holds an engine and nothing of the run.</summary>
internal abstract class EngineActor : ReceiveActor
{
    private readonly IActorRef worker = Context.Parent;
    private readonly string name;

    protected EngineActor(WorkerServices services, string name)
    {
        Services = services;
        this.name = name;
    }

    protected WorkerServices Services { get; }

    protected override void PreStart() => Services.Busy.Add(name); // not in the constructor: where that fails, nothing is stopped

    protected override void PostStop()
    {
        Services.Busy.Remove(name);
        base.PostStop();
    }

    /// <summary>Tells the worker what was brought about.</summary>
    protected void Post(Command command) => Post(command.GetType().Name, command);

    /// <param name="what">The command of the run that follows from it.</param>
    protected void Post(string what, object message) => Services.CrashPoints.Between("post", what, () => worker.Tell(message, Self));

    protected override void PreRestart(Exception reason, object message) =>
        throw new InvalidOperationException($"{name} is stopped when it fails, never restarted in place.");
}

/// <summary>To whoever started the worker: it has heard that the run is over.</summary>
/// <param name="Failure">Null where it is complete.</param>
internal sealed record RunIsOver(string? Failure);

/// <summary>To a worker whose node leaves: finish what you hold and take no more.</summary>
internal sealed record Drain
{
    public static Drain Instance { get; } = new();
}

/// <summary>Its answer, once it holds nothing.</summary>
internal sealed record Drained
{
    public static Drained Instance { get; } = new();
}
