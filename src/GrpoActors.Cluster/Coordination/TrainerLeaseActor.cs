using Akka.Actor;
using Akka.Event;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core.Runs;

namespace GrpoActors.Cluster.Coordination;

/// <summary>An effect of the learner, with the journal's length when it became durable.</summary>
internal sealed record TrainerEffect(Effect Effect, long Position);

/// <summary>What a candidate has on disk.</summary>
internal sealed record CheckpointsHeld(string Name, IReadOnlyList<CheckpointHeld> Checkpoints);

/// <summary>
/// Who is the trainer, until when. A candidate asks with the time of its own clock; the lease that it is granted counts from then, so a grant that lay in a frozen process's socket is worth
/// nothing when it wakes. The next candidate gets the lease when it was returned or has certainly run out.
/// </summary>
/// <remarks>vacant -> held(term) -> (kept ...) -> returned | run out -> vacant. A term never repeats, also over coordinators: that is how a trainer notices a new one, which knows nothing of what the one before asked for.</remarks>
internal sealed class TrainerLeaseActor : ReceiveActor, IWithTimers
{
    /// <summary>Clocks run at the same speed but for this share.</summary>
    private const double Drift = 0.1;

    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly TimeProvider time;
    private readonly TimeSpan duration;
    private readonly Dictionary<string, IActorRef> candidates = [];
    private readonly SortedDictionary<long, TrainerEffect> judgements = []; // asked for and not answered, by version
    private long term;
    private Holder? holder;

    /// <param name="termsAfter">The first grant's term is one above.</param>
    /// <param name="duration">Of a grant; candidates ask three times in it.</param>
    public TrainerLeaseActor(long termsAfter, TimeSpan duration, TimeProvider time)
    {
        term = termsAfter;
        this.duration = duration;
        this.time = time;
        Receive<LeaseWanted>(Want);
        Receive<LeaseReturned>(x =>
        {
            if (holder is { } held && held.Term == x.Term)
            {
                log.Warning("The trainer {0} gives its lease back: {1}", x.By.Name, x.Reason);
                Vacate();
            }
        });
        Receive<TrainerEffect>(x =>
        {
            if (x.Effect is Effect.Evaluate asked)
            {
                judgements[asked.Version.Steps] = x;
            }

            Order(x);
        });
        Receive<TrainerReport>(Report);
        Receive<VersionReached>(x =>
        {
            holder?.Ref.Tell(new WeightsRetired(x.Run.Policies.Keys.FirstOrDefault()));
        });
        Receive<RunOver>(x =>
        {
            foreach (IActorRef candidate in candidates.Values)
            {
                candidate.Tell(x);
            }
        });
        Receive<Terminated>(x =>
        {
            foreach (string name in candidates.Where(candidate => candidate.Value.Equals(x.ActorRef)).Select(candidate => candidate.Key).ToArray())
            {
                candidates.Remove(name);
                Context.Parent.Tell(new Known(candidates.Count));
                log.Info("Trainer {0} has left{1}", name, holder?.Name == name ? "; its lease runs out" : "");
            }
        });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="Count">Nodes that are the trainer or could be.</param>
    public sealed record Known(int Count);

    private void Want(LeaseWanted wanted)
    {
        string name = wanted.By.Name;
        if (!candidates.TryGetValue(name, out IActorRef? known) || !known.Equals(Sender))
        {
            Context.Watch(Sender);
            candidates[name] = Sender;
            Context.Parent.Tell(new Known(candidates.Count));
            Context.Parent.Tell(new CheckpointsHeld(name, wanted.Checkpoints));
        }

        if (holder is { } held && !held.Ref.Equals(Sender))
        {
            if (time.GetElapsedTime(held.GrantedAt) < duration * (1 + Drift))
            {
                Sender.Tell(new LeaseDenied(held.Name));
                return;
            }

            log.Warning("The lease of the trainer {0} has run out", held.Name);
            Vacate();
        }

        if (holder is null)
        {
            term++;
            log.Info("{0} is the trainer (term {1})", name, term);
        }

        holder ??= new Holder(name, Sender, term);
        holder.GrantedAt = time.GetTimestamp();
        if (holder.Misses(wanted))
        {
            log.Warning("Something between the coordinator and the trainer {0} was lost on the way; all that is open is asked of it again", name);
            Restarted();
        }

        Sender.Tell(new LeaseGranted(term, wanted.AskedAt, duration));
    }

    private void Restarted()
    {
        Context.Parent.Tell(new Command.TrainerRestarted());
        foreach (TrainerEffect asked in judgements.Values)
        {
            Order(asked); // the learner asks again for training alone: in the embedded host a trainer's failure is none of the evaluator's
        }
    }

    private void Vacate()
    {
        holder = null;
        Context.Parent.Tell(new VersionsLost());
    }

    private void Report(TrainerReport report)
    {
        if (holder is null || holder.Term != report.Term)
        {
            return; // of a trainer whose lease is over
        }

        holder.Heard++;
        switch (report.News)
        {
            case TrainerNews.Restarted:
                Restarted();
                return;
            case TrainerNews.Published x:
                Context.Parent.Tell(x.Weights);
                break;
            case TrainerNews.Judged x:
                judgements.Remove(x.Version.Steps);
                break;
        }

        Context.Parent.Tell(Command(report.News));
    }

    private void Order(TrainerEffect asked)
    {
        if (holder is { } held)
        {
            held.Sent++;
            held.Ref.Tell(new TrainerOrder(held.Term, Task(asked)));
        }
    }

    private static Command Command(TrainerNews news) => news switch
    {
        TrainerNews.Published x => new Command.VersionPublished(x.Weights.Version),
        TrainerNews.Trained x => new Command.BatchTrained(x.Step, x.Outputs, x.Timings),
        TrainerNews.Tripped x => new Command.SentinelTripped(x.Step, x.Batch, x.Reason),
        TrainerNews.Saved x => new Command.CheckpointDone(x.Step, x.Folder, x.Manifest, x.WeightsSha256, x.OptimizerSha256),
        TrainerNews.Judged x => new Command.EvaluationDone(x.Version, x.Evaluation),
        _ => throw new InvalidOperationException($"The news {news.GetType().Name} is no command."),
    };

    private static TrainerTask Task(TrainerEffect asked) => asked.Effect switch
    {
        Effect.BeginPhase x => new TrainerTask.BeginPhase(x.Phase, x.ResetOptimizer, x.KeepReference),
        Effect.TrainBatch x => new TrainerTask.Train(x.Batch.Inputs.Step, x.Batch.Digest, x.Policy, asked.Position),
        Effect.PublishVersion x => new TrainerTask.Publish(x.Version, x.Policy),
        Effect.WriteCheckpoint x => new TrainerTask.Save(x.Step, x.Chain, x.Position, x.Policy, x.Phase, x.IsLast),
        Effect.RetireCheckpoints x => new TrainerTask.Retire(x.Kept),
        Effect.Evaluate x => new TrainerTask.Judge(x.Version),
        Effect.RollBack x => new TrainerTask.RollBack(x.Step, x.To, x.Policy),
        _ => throw new InvalidOperationException($"{asked.Effect.GetType().Name} is nothing for a trainer."),
    };

    private sealed class Holder(string name, IActorRef actor, long term)
    {
        private long sentBefore; // when it asked the last time

        public string Name => name;

        public IActorRef Ref => actor;

        public long Term => term;

        public long GrantedAt { get; set; }

        /// <summary>Orders to it.</summary>
        public long Sent { get; set; }

        /// <summary>Reports of it.</summary>
        public long Heard { get; set; }

        /// <summary>
        /// Between two actors nothing overtakes: its reports have come before this message, and it has had the orders of before its last one. What is missing will not come any more; after that
        /// both count on from here.
        /// </summary>
        public bool Misses(LeaseWanted wanted)
        {
            bool misses = wanted.Orders < sentBefore || wanted.Reports > Heard;
            if (misses)
            {
                (Sent, Heard) = (wanted.Orders, wanted.Reports);
            }

            sentBefore = Sent;
            return misses;
        }
    }
}
