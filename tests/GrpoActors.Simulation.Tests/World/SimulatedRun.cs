using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Journal;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.RunFolders;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.Processes;
using Recovery = GrpoActors.Runtime.Workers.Recovery;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>
/// A whole run on one thread in virtual time: the product's stages, recovery, replay, step trainer and checkpoint store, with an engine, workers, a network,
/// a journal and a disk of the simulator's own. One seed, one course.
/// </summary>
internal sealed class SimulatedRun
{
    /// <summary>Once the last fault is over, something durable happens within this (virtual) time, until the run has ended.</summary>
    /// <remarks>The longest silence that costs anything is two deadlines of 60 s on top of each other, by a clock that runs at half speed, and a rebuild.</remarks>
    public static readonly TimeSpan ProgressBound = TimeSpan.FromSeconds(300);

    private const int EventsOfAStepMax = 1500;
    private const int CheckpointsRemembered = 4;
    private const string RunFolder = "/run";
    private const string CheckpointFolder = RunFolder + "/checkpoints";

    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> agenda = new();
    private readonly FaultBoard board;
    private readonly SimulatedJournal journal;
    private readonly int eventsMax;
    private readonly Network network;
    private readonly Coordinator coordinator;
    private readonly Trainer trainer;
    private readonly Evaluator evaluator;
    private readonly List<Generator> generators = [];
    private readonly List<Scorer> scorers = [];
    private readonly HashSet<(GroupId, int)> exhausted = [];
    private readonly SortedDictionary<long, Digest> ledgerAt = []; // the newest checkpoints
    private readonly PolicyWeights startingWeights;
    private readonly Dictionary<(Waits, string), int> unanswered = []; // since the last record
    private long order;
    private TimeSpan quietUntil;
    private TimeSpan lastProgress;
    private int diskChangesToPowerLoss = -1;
    private Action powerLossFelt = () => { };
    private bool isArmingExhaustion;

    public SimulatedRun(Scenario scenario, Rig rig)
    {
        Scenario = scenario;
        Rig = rig;
        Plan = scenario.Plan;
        Random = new Random(unchecked((int)(scenario.Seed * 2654435761)));
        board = new FaultBoard(scenario.Faults);
        network = new Network(this);
        journal = new SimulatedJournal(scenario.Forgets);
        eventsMax = EventsOfAStepMax * Plan.Identity.Phases.Sum(phase => phase.Steps);
        Digest start = Digest.Of("start");
        startingWeights = new PolicyWeights(new PolicyVersion(0), start, FakeTrainer.TensorsOf("w", start));
        Audit = new Audit(Plan.Identity, start, scenario.Forgets, RanOutOfTime);
        Journals = rig.Around(journal);
        journal.Appended = Durable;
        Disk.CreateFolder(RunFolder);
        Disk.FlushFolder("/");
        Disk.BeforeChange = DiskChanges;
        PromptTable[] tables = [.. Plan.Identity.Phases.Select(phase => Rows(phase.Data.Rows))];
        Setup = new RunSetup(
            Plan, scenario.IdentityDigest, rig.Around(new FakeEngine(scenario.Diverges)), null!, tables, null, new RewardSet(Plan.Identity, [], null!), () => startingWeights, null!);
        coordinator = new Coordinator(this);
        trainer = new Trainer(this);
        evaluator = new Evaluator(this);
        for (int i = 0; i < scenario.Generators; i++)
        {
            generators.Add(new Generator(this, new WorkerId($"g{i}")));
        }

        scorers.AddRange([new Scorer(this, "s0"), new Scorer(this, "s1")]);
    }

    public Scenario Scenario { get; }

    public RunPlan Plan { get; }

    public RunSetup Setup { get; }

    public Rig Rig { get; }

    public Random Random { get; }

    public TimeSpan Now { get; private set; }

    public Audit Audit { get; private set; }

    public IJournalProvider Journals { get; }

    public SimulatedDisk Disk { get; } = new();

    public Recovery? Recovery => coordinator.Recovery;

    public int CommandsHandled { get; set; }

    public int Events { get; private set; }

    public int Rebuilds { get; set; }

    /// <summary>Checkpoints that were newer than a journal which lost its tail.</summary>
    public int OutlivedCheckpoints { get; private set; }

    /// <summary>How often it stopped because nothing came of anything, and was started again.</summary>
    public int Stops { get; private set; }

    /// <summary>Told of each step once it is durable.</summary>
    public Action<long> Committed { get; set; } = _ => { };

    public IReadOnlyList<Fault> Struck => board.Struck;

    public IEnumerable<RunEvent> Journal => journal.Events;

    /// <summary>Records that a reader of the journal finds now, and the most that it ever found.</summary>
    public (int Now, int Most) Records { get; private set; }

    /// <summary>Runs to the end. Throws <see cref="Violation"/>.</summary>
    public RunState ToTheEnd()
    {
        StartAll(TimeSpan.Zero);
        while (!coordinator.IsFinished)
        {
            if (!agenda.TryDequeue(out Action? act, out (TimeSpan At, long Order) due) || ++Events > eventsMax)
            {
                throw new Violation($"no end after {Events} events; {coordinator.Waits}");
            }

            Now = due.At;
            while (board.TryArm(Events, out Fault fault))
            {
                Arm(fault);
            }

            try
            {
                act();
            }
            catch (ProcessKilled)
            {
                // By the power, in the middle of a change to the disk; who cut it starts everything again.
            }

            TimeSpan idleSince = lastProgress > quietUntil ? lastProgress : quietUntil;
            if (Now - idleSince > ProgressBound)
            {
                throw new Violation($"nothing has become durable for {(Now - idleSince).TotalSeconds:0} s; {coordinator.Waits}");
            }
        }

        RunState run = RunState.Begin(Plan.Identity);
        foreach (JournalEntry entry in journal.OpenForReading().Read()) // what is left of it, where it was compacted
        {
            run = run.Apply(entry.Event);
        }

        Audit.Agree(run);
        return run;
    }

    public void After(TimeSpan pause, Action act) => agenda.Enqueue(act, (Now + pause, order++));

    public bool Strikes(FaultKind kind, out Fault fault)
    {
        bool strikes = board.Strikes(kind, out fault);
        if (strikes)
        {
            QuietUntil(Now);
        }

        return strikes;
    }

    /// <summary>A fault goes on until then: progress is asked for only afterwards.</summary>
    public void QuietUntil(TimeSpan until) => quietUntil = until > quietUntil ? until : quietUntil;

    /// <summary>A checkpoint is about to be written: what lies in wait for the disk then begins.</summary>
    public void CheckpointBegins()
    {
        if (board.Begins(FaultKind.CheckpointDiskFull, out Fault full))
        {
            Fill(TimeSpan.FromSeconds(5 + (full.Choice % 30)), board.WhenFelt(full));
        }

        if (board.Begins(FaultKind.DiskLies, out Fault lie))
        {
            LieAndLosePower(TimeSpan.FromSeconds(2 + (lie.Choice % 4)), board.WhenFelt(lie));
        }
    }

    public void CheckpointIsWritten(CheckpointMark mark)
    {
        ledgerAt[mark.Step] = mark.Chain;
        if (ledgerAt.Count > CheckpointsRemembered)
        {
            ledgerAt.Remove(ledgerAt.Keys.First());
        }
    }

    /// <summary>The trainer is about to look for the newest intact checkpoint.</summary>
    public void CheckpointsAreRead()
    {
        if (board.IsArmed(FaultKind.CheckpointBitFlip) && Disk.List(CheckpointFolder) is [.., var newest] && Disk.FlipBit(Random.Next(4) == 0 ? CheckpointFolder : newest, Random)
            && board.Begins(FaultKind.CheckpointBitFlip, out Fault flip))
        {
            Disk.ReadFlipped = board.WhenFelt(flip);
        }
    }

    public ICheckpointStore OpenCheckpoints() => Rig.Around(new CheckpointStore(Rig.Around(Disk), CheckpointFolder));

    public void Post(Process from, Command command) => network.Send(from, coordinator, () => coordinator.Post(command));

    public void Dispatch(Effect effect)
    {
        switch (effect)
        {
            case Effect.SendTickets x:
                if (generators.Find(generator => generator.Id == x.Generator) is { } generator)
                {
                    network.Send(coordinator, generator, () => generator.Receive(x.Tickets));
                }

                break;
            case Effect.RunScorer x:
                Scorer scorer = scorers[Random.Next(scorers.Count)];
                network.Send(coordinator, scorer, () => scorer.Receive(x.Call));
                break;
            case Effect.Evaluate x:
                network.Send(coordinator, evaluator, () => evaluator.Receive(x.Version));
                break;
            default:
                network.Send(coordinator, trainer, () => trainer.Receive(effect));
                break;
        }
    }

    public void DeadlinePasses(DeadlineId deadline)
    {
        (Waits, string) wait = (deadline.For, deadline.Subject);
        unanswered[wait] = unanswered.GetValueOrDefault(wait) + 1;
    }

    /// <summary>
    /// A run that asks in vain for too long stops, and the user starts it again. It may stop only where a fault has gone on since the last record, and so
    /// many deadlines of one wait have passed (the first perhaps while that record was being appended). Or a lost step was computed again and a reward ran
    /// out of time: the user goes on without what is lost.
    /// </summary>
    public void StopRun(string reason)
    {
        bool hasAsked = reason.StartsWith("Asked ", StringComparison.Ordinal) && unanswered.Values.Any(times => times >= Plan.Operation.Deadlines.AskedMax - 1);
        bool hasParted = reason.Contains("a reward ran out of time; start with --accept-lost-tail", StringComparison.Ordinal) && exhausted.Count > 0;
        if (!hasParted && (!hasAsked || quietUntil < lastProgress))
        {
            throw new Violation($"the run stops: {reason}");
        }

        Stops++;
        KillAll();
    }

    public PolicyWeights? WeightsOf(PolicyVersion version) => trainer.Weights(version);

    public void RetireWeightsBelow(long version) => trainer.RetireBelow(version);

    /// <summary>Some open group is to be sampled by this version, or it is the present one.</summary>
    public bool IsNeeded(PolicyVersion version)
    {
        RunState run = Audit.Run;
        return run.Version == version || run.Groups.Values.Any(group => group.Fate == GroupFate.Open && group.Version == version);
    }

    /// <summary>All of a group's completions that this call asks about run out of time, in every attempt.</summary>
    public bool IsExhausted(ScoreCall call)
    {
        if (isArmingExhaustion && call.Attempt == 0 && Strikes(FaultKind.ExhaustedScorer, out _))
        {
            exhausted.Add((call.Group, call.Reward));
            isArmingExhaustion = board.IsArmed(FaultKind.ExhaustedScorer);
        }

        return exhausted.Contains((call.Group, call.Reward));
    }

    private bool RanOutOfTime(GroupId group, int reward) => exhausted.Contains((group, reward));

    private IEnumerable<Process> Processes => [coordinator, trainer, evaluator, .. generators, .. scorers];

    private void StartAll(TimeSpan pause)
    {
        foreach (Process process in Processes)
        {
            if (pause == TimeSpan.Zero)
            {
                process.Start();
            }
            else
            {
                After(pause, process.Start);
            }
        }
    }

    private void KillAll()
    {
        foreach (Process process in Processes)
        {
            process.Kill();
        }

        network.Reset();
        StartAll(TimeSpan.FromSeconds(2));
    }

    private void Durable(RunEvent e)
    {
        Audit.Add(e);
        lastProgress = Now;
        unanswered.Clear();
        Records = (journal.Kept, Math.Max(Records.Most, journal.Kept));
        if (e is RunEvent.StepCommitted step)
        {
            Committed(step.Inputs.Step);
        }
    }

    private void DiskChanges()
    {
        if (diskChangesToPowerLoss >= 0 && --diskChangesToPowerLoss < 0)
        {
            diskChangesToPowerLoss = -1;
            powerLossFelt();
            QuietUntil(Now);
            Disk.LosePower(Random);
            KillAll();
            throw new ProcessKilled();
        }
    }

    private void Arm(Fault fault)
    {
        switch (fault.Kind)
        {
            case FaultKind.KillGenerator:
                Strike(fault, fault.Choice % 2 == 0 && UpGenerators.Length > 0, () => Pick(UpGenerators, fault).Restart(Soon));
                break;
            case FaultKind.GeneratorLeaves:
                Strike(fault, UpGenerators.Length > 1, () => Leave(Pick(UpGenerators, fault)));
                break;
            case FaultKind.GeneratorJoins:
                Strike(fault, true, Join);
                break;
            case FaultKind.PowerLoss:
                Strike(fault, true, () =>
                {
                    Disk.LosePower(Random);
                    KillAll();
                });
                break;
            case FaultKind.LostSuffix:
                // Checkpoints go with the records that retire them: a run that needs one of its past must not lose more than it keeps them for.
                int lostMax = Scenario.Compacts || Scenario.Diverges ? 6 : 40;
                Strike(fault, journal.Count > 1, () => LoseSuffix(1 + (fault.Choice % lostMax)));
                break;
            case FaultKind.Partition:
                TimeSpan length = TimeSpan.FromSeconds(10 + (fault.Choice % 100));
                Process[] others = [.. Processes.Where(process => process != coordinator)];
                network.CutOff(others[fault.Choice % others.Length], length, board.WhenFelt(fault));
                QuietUntil(Now + length);
                break;
            case FaultKind.ClockJump:
                coordinator.Deadlines.Jump(fault.Choice % 2 == 0 ? 3600 : -(10 + (fault.Choice % 60)), board.WhenFelt(fault));
                QuietUntil(Now + TimeSpan.FromSeconds(fault.Choice % 2 == 0 ? 0 : 140));
                break;
            case FaultKind.ClockDrift:
                QuietUntil(Now);
                coordinator.Deadlines.Drift(0.5 + (fault.Choice % 150 / 100.0), board.WhenFelt(fault));
                break;
            case FaultKind.TrainerStopped:
                TimeSpan stopped = TimeSpan.FromSeconds(120 + (fault.Choice % 300));
                if (trainer.IsUp)
                {
                    trainer.Freeze(stopped, board.WhenFelt(fault));
                }

                QuietUntil(Now + stopped);
                break;
            case FaultKind.PowerLossInCheckpoint:
                (diskChangesToPowerLoss, powerLossFelt) = (fault.Choice % 14, board.WhenFelt(fault));
                break;
            case FaultKind.ExhaustedScorer:
                isArmingExhaustion = true;
                board.LieInWait(fault);
                break;
            default:
                board.LieInWait(fault);
                break;
        }
    }

    private TimeSpan Soon => TimeSpan.FromSeconds(1 + Random.Next(5));

    private Generator[] UpGenerators => [.. generators.Where(generator => generator.IsUp)];

    private static T Pick<T>(T[] from, Fault fault) => from[fault.Choice / 7 % from.Length];

    private void Strike(Fault fault, bool can, Action strike)
    {
        if (can)
        {
            board.Struck.Add(fault);
            QuietUntil(Now);
            strike();
        }
    }

    private void Join()
    {
        var joined = new Generator(this, new WorkerId($"g{generators.Count}"));
        generators.Add(joined);
        joined.Start();
    }

    private void Leave(Generator generator)
    {
        generators.Remove(generator);
        generator.Kill();
        generators.Add(new Generator(this, new WorkerId($"g{generators.Count}x{Events}"))); // a seat, empty until everything starts again
    }

    private void LieAndLosePower(TimeSpan lying, Action felt)
    {
        bool hasLied = false;
        Disk.Lies = true;
        Disk.Lied = () => hasLied = true;
        QuietUntil(Now + lying);
        After(lying, () =>
        {
            if (hasLied)
            {
                felt();
            }

            Disk.LosePower(Random);
            Disk.Lies = false;
            KillAll();
        });
    }

    private void Fill(TimeSpan length, Action felt)
    {
        Disk.IsFull = true;
        Disk.Refused = felt;
        QuietUntil(Now + length);
        After(length, () => Disk.IsFull = false);
    }

    private void LoseSuffix(int transactions)
    {
        KillAll();
        journal.LoseTransactions(transactions);
        Audit = new Audit(Plan.Identity, FakeTrainer.ContentOf(startingWeights.Tensors), Scenario.Forgets, RanOutOfTime);
        foreach (RunEvent e in journal.Events)
        {
            Audit.Add(e);
        }

        foreach ((long step, Digest chain) in ledgerAt.Where(checkpoint => checkpoint.Key > Audit.Version))
        {
            Audit.Outlived[step] = chain;
            OutlivedCheckpoints++;
        }
    }

    private static PromptTable Rows(long count) => new(
        [.. Enumerable.Range(0, (int)count).Select(row => new PromptRow($"p{row}", [row + 100, 1], [row + 200, 2], null, ImmutableSortedDictionary<string, JsonElement>.Empty))]);
}
