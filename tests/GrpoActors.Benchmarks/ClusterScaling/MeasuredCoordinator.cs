using System.Diagnostics;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Persistence.Sql;
using GrpoActors.Actors;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Benchmarks.ClusterScaling;

/// <summary>The product's stages and journal. What each batch of commands takes here, by the clock, is what the simulated coordinator is busy for.</summary>
internal sealed class MeasuredCoordinator : IAsyncDisposable
{
    /// <summary>Commands that wait together share one append.</summary>
    public const int CommandsPerAppendMax = 256;

    private static readonly TimeSpan AnswerMax = TimeSpan.FromMinutes(1);

    private readonly ActorSystem _system;
    private readonly IActorRef _journal;
    private Pipeline _pipeline;

    public MeasuredCoordinator(RunPlan plan, RunJournal journal)
    {
        journal.Prepare();
        _system = ActorSystem.Create("scaling", BootstrapSetup.Create()
            .WithConfig(ActorsHocon.Reference.WithFallback(SqlPersistence.DefaultConfiguration))
            .And(JournalSetup.Of(journal)));
        _journal = _system.ActorOf(JournalActor.Props(journal, plan.Identity, _ => { }));
        _pipeline = Pipeline.Over(RunState.Begin(plan.Identity), Digest.Of("identity"), plan.Operation);
    }

    public RunState Run => _pipeline.Run;

    public CoordinatorTime Spent { get; private set; }

    public (TimeSpan Busy, IReadOnlyList<FoldedEvent> Events, IReadOnlyList<Effect> Effects) Begin() => Carry([_pipeline.Resume()], default);

    public (TimeSpan Busy, IReadOnlyList<FoldedEvent> Events, IReadOnlyList<Effect> Effects) Handle(IReadOnlyList<Command> commands, TimeSpan message)
    {
        TimeSpan receiving = message * commands.Count;
        foreach (Command.CompletionsArrived arrived in commands.OfType<Command.CompletionsArrived>())
        {
            receiving += Receiving(arrived);
        }

        long started = Stopwatch.GetTimestamp();
        var steps = new List<PipelineStep>(commands.Count);
        foreach (Command command in commands)
        {
            steps.Add(_pipeline.Handle(command));
            _pipeline = steps[^1].Next;
        }

        return Carry(steps, new CoordinatorTime(receiving, Stopwatch.GetElapsedTime(started), default, commands.Count, 0, 0));
    }

    /// <summary>The completions as bytes become the command: the journal's layout stands for the message's.</summary>
    private static TimeSpan Receiving(Command.CompletionsArrived arrived)
    {
        byte[] bytes = EventRecord.Encode(new RunEvent.CompletionsScored(
            arrived.Ticket.Group, arrived.Ticket.Version, arrived.Weights, [.. arrived.Completions.Select(completion => new Core.Completions.ScoredCompletion(completion, []))],
            new Core.Completions.Provenance(arrived.Generator.Name, arrived.Elapsed, TimeSpan.Zero)));
        long started = Stopwatch.GetTimestamp();
        EventRecord.Decode(bytes);
        return Stopwatch.GetElapsedTime(started);
    }

    private (TimeSpan, IReadOnlyList<FoldedEvent>, IReadOnlyList<Effect>) Carry(IReadOnlyList<PipelineStep> steps, CoordinatorTime spent)
    {
        _pipeline = steps[^1].Next;
        FoldedEvent[] events = [.. steps.SelectMany(step => step.Events)];
        if (events.Length > 0)
        {
            long started = Stopwatch.GetTimestamp();
            _journal.Ask<Appended>(new Append(events[0].Before.Position, [.. events.Select(e => e.Event)]), AnswerMax).GetAwaiter().GetResult();
            spent = spent with { Appending = Stopwatch.GetElapsedTime(started), Appends = 1, Events = events.Length };
        }

        Spent += spent;
        return (spent.Total, events, [.. steps.SelectMany(step => step.Effects)]);
    }

    public async ValueTask DisposeAsync() => await _system.Terminate();
}

/// <summary>Where the coordinator's time goes.</summary>
/// <param name="Receiving">Bytes of completions become commands, and what a message costs beyond.</param>
/// <param name="Deciding">The five stages and the fold.</param>
/// <param name="Appending">Encoding and one durable transaction.</param>
internal readonly record struct CoordinatorTime(TimeSpan Receiving, TimeSpan Deciding, TimeSpan Appending, long Commands, long Appends, long Events)
{
    public TimeSpan Total => Receiving + Deciding + Appending;

    public static CoordinatorTime operator +(CoordinatorTime a, CoordinatorTime b) => new(
        a.Receiving + b.Receiving, a.Deciding + b.Deciding, a.Appending + b.Appending, a.Commands + b.Commands, a.Appends + b.Appends, a.Events + b.Events);

    public static CoordinatorTime operator -(CoordinatorTime a, CoordinatorTime b) => new(
        a.Receiving - b.Receiving, a.Deciding - b.Deciding, a.Appending - b.Appending, a.Commands - b.Commands, a.Appends - b.Appends, a.Events - b.Events);
}
