using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>A journal in memory whose actor does as the test says.</summary>
internal sealed class MemoryJournal(RunIdentity plan)
{
    private readonly List<RunEvent> events = [];

    private RunState Beginning { get; } = RunState.Begin(plan);

    /// <summary>Called when the actor begins to recover; may throw.</summary>
    public Action Recovering { get; set; } = static () => { };

    /// <summary>What an append is answered with; null: nothing. By default all is kept.</summary>
    public Func<Append, object?> Answer { get; set; } = static append => new Appended(append.ExpectedPosition + append.Events.Length);

    public ImmutableArray<RunEvent> Events
    {
        get
        {
            lock (events)
            {
                return [.. events];
            }
        }
    }

    public Props Props => Props.Create(() => new Writer(this));

    private sealed class Writer : ReceiveActor
    {
        private readonly MemoryJournal journal;

        public Writer(MemoryJournal journal)
        {
            this.journal = journal;
            Receive<Append>(append =>
            {
                object? answer = journal.Answer(append);
                if (answer is Appended)
                {
                    lock (journal.events)
                    {
                        journal.events.AddRange(append.Events);
                    }
                }

                if (answer is not null)
                {
                    Sender.Tell(answer);
                }
            });
        }

        protected override void PreStart()
        {
            journal.Recovering();
            RunState run = journal.Events.Aggregate(journal.Beginning, (state, e) => state.Apply(e));
            Context.Parent.Tell(new JournalRecovered(run, run.Position + 1));
        }
    }
}
