using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Actors.Protocol;
using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Actors.Workers;
using GrpoActors.Core;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Chaos;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Learning;

/// <summary>
/// The trainer, here or on another node, as <see cref="Learner"/> sees it; and who the trainer is, until when. A candidate asks with the time of its own clock; the lease that it is granted
/// counts from then, so a grant that lay in a frozen process's socket is worth nothing when it wakes. The next candidate gets the lease when it was returned or has certainly run out.
/// </summary>
/// <remarks>
/// vacant -> held(term) -> (kept ...) -> returned | run out -> vacant. A term never repeats, also over coordinators: that is how a trainer notices a new one, which knows nothing of what the one
/// before asked for. Inside one process the lease is without end.
/// </remarks>
internal sealed class LearnerActor : ReceiveActor
{
    /// <summary>Clocks run at the same speed but for this share.</summary>
    private const double Drift = 0.1;

    private readonly ILogger log;
    private readonly LogLevel comings; // on one machine they are no news
    private readonly ImmutableArray<LocalWorker> own;
    private readonly TimeSpan duration;
    private readonly bool acceptLostTail, isElsewhere;
    private readonly CrashPoints crashPoints;
    private readonly TimeProvider time;
    private readonly RunInstruments? instruments;
    private readonly Dictionary<string, IActorRef> candidates = [];
    private readonly SortedDictionary<long, LearnerEffect> evaluations = []; // asked for and not answered, by version
    private long term;
    private Holder? holder;
    private VersionReached reached = new(0, 0);

    /// <param name="own">The trainer of this process; on a cluster's coordinator none.</param>
    /// <param name="duration">Of a grant; candidates ask three times in it.</param>
    /// <param name="termsAfter">The first grant's term is one above.</param>
    /// <param name="isElsewhere">Batches are left in the journal, from where the trainer reads them.</param>
    public LearnerActor(
        ILogger log, ImmutableArray<LocalWorker> own, TimeSpan duration, bool acceptLostTail, long termsAfter, bool isElsewhere, CrashPoints crashPoints, TimeProvider time, RunInstruments? instruments = null)
    {
        this.instruments = instruments;
        this.log = log;
        comings = own.IsEmpty ? LogLevel.Information : LogLevel.Debug;
        (this.own, this.duration, this.acceptLostTail, this.isElsewhere, this.crashPoints, this.time) = (own, duration, acceptLostTail, isElsewhere, crashPoints, time);
        term = termsAfter;
        Receive<LeaseWanted>(Want);
        Receive<LeaseReturned>(x =>
        {
            if (holder is { } held && held.Term == x.Term)
            {
                log.LeaseReturned(own.IsEmpty ? LogLevel.Warning : LogLevel.Debug, x.By.Name, x.Reason);
                Vacate();
            }
        });
        Receive<LearnerEffect>(x =>
        {
            if (x.Effect is Effect.Evaluate asked)
            {
                evaluations[asked.Version.Steps] = x;
            }

            Order(x);
        });
        Receive<TrainerReport>(Report);
        Receive<VersionReached>(x =>
        {
            reached = x;
            holder?.Ref.Tell(x);
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
                log.TrainerLeft(comings, name, holder?.Name == name ? "; its lease runs out" : "");
            }
        });
        Receive<ChildFailed>(x => throw new WorkerActorFailedException(x));
        Receive<WorkerGaveUp>(Context.Parent.Tell);
    }

    /// <param name="Count">Processes that are the trainer or could be.</param>
    public sealed record Known(int Count);

    /// <summary>The fence alone would repeat: a coordinator that dies before its first append is followed by one with the same.</summary>
    public static long TermsAfter(long fence) => (fence << 20) | ((long)Random.Shared.Next(1 << 10) << 10);

    protected override SupervisorStrategy SupervisorStrategy()
    {
        IActorContext context = Context;
        return FailureTable.StopAndTell(Self, () => context.Sender);
    }

    protected override void PreStart() => LocalWorker.StartAll(own, Context, Self);

    private void Want(LeaseWanted wanted)
    {
        string name = wanted.By.Name;
        if (!candidates.TryGetValue(name, out IActorRef? known) || !known.Equals(Sender))
        {
            Context.Watch(Sender);
            candidates[name] = Sender;
            Context.Parent.Tell(new Known(candidates.Count));
            Context.Parent.Tell(new TrainerCheckpoints(name, wanted.Checkpoints));
        }

        if (holder is { } held && !held.Ref.Equals(Sender))
        {
            if (duration == Timeout.InfiniteTimeSpan || time.GetElapsedTime(held.GrantedAt) < duration * (1 + Drift))
            {
                Sender.Tell(new LeaseDenied(held.Name));
                return;
            }

            log.LeaseRunOut(held.Name);
            Vacate();
        }

        if (holder is null)
        {
            term++;
            instruments?.LeaseChanges.Add(1);
            log.LeaseGranted(comings, name, term);
        }

        holder ??= new Holder(name, Sender, term);
        holder.GrantedAt = time.GetTimestamp();
        if (holder.Misses(wanted))
        {
            log.OrdersLost(name);
            Restarted();
        }

        crashPoints.Reach("grant lease");
        Sender.Tell(new LeaseGranted(term, wanted.AskedAt, duration, acceptLostTail));
        Sender.Tell(reached);
        crashPoints.Reach("grant lease done");
    }

    private void Restarted()
    {
        Context.Parent.Tell(new Command.TrainerRestarted());
        foreach (LearnerEffect asked in evaluations.Values)
        {
            Order(asked); // the learner's stage asks again for training alone
        }
    }

    private void Vacate()
    {
        holder = null;
        Context.Parent.Tell(new WeightsLost());
    }

    private void Report(TrainerReport report)
    {
        if (holder is null || holder.Term != report.Term)
        {
            return; // of a trainer whose lease is over
        }

        holder.Heard++;
        switch (report.Command)
        {
            case Command.TrainerRestarted:
                Restarted();
                return;
            case Command.VersionPublished:
                Context.Parent.Tell(new WeightsPublished(report.Weights!));
                break;
            case Command.EvaluationDone x:
                evaluations.Remove(x.Version.Steps);
                break;
        }

        Context.Parent.Tell(report.Command);
    }

    private void Order(LearnerEffect asked)
    {
        if (holder is not { } held)
        {
            return; // asked again when there is one
        }

        held.Sent++;
        held.Ref.Tell(isElsewhere && asked.Effect is Effect.TrainBatch x
            ? new TrainJournalled(held.Term, x.Batch.Inputs.Step, x.Batch.Digest, x.Policy, asked.Position)
            : new TrainerOrder(held.Term, asked.Effect));
    }

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
