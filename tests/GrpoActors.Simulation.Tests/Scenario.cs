using System.Collections.Concurrent;
using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Schedules;
using GrpoActors.Simulation.Tests.Faults;
using GrpoActors.Simulation.Tests.World;

namespace GrpoActors.Simulation.Tests;

/// <summary>What one seed stands for: a plan and a list of faults.</summary>
/// <param name="Forgets">So long a run that nobody can hold all of it.</param>
internal sealed record Scenario(ulong Seed, int Shape, RunPlan Plan, Digest IdentityDigest, ImmutableArray<Fault> Faults, bool Forgets = false)
{
    private const int Flavours = 5;
    private const int CompactingSteps = 4;
    private const int AskedMax = 4; // few enough that faults stop runs

    /// <summary>Plans that differ in order, lag and what happens to groups, phases and steps.</summary>
    public const int Shapes = 2 * 3 * Flavours;

    /// <summary>Plans behind those, in canonical order with lags 0, 1 and 2, that a sentinel ends.</summary>
    public const int StoppedShapes = 3;

    private static readonly ConcurrentDictionary<int, Lazy<Undisturbed>> Results = new();
    private static readonly ConcurrentDictionary<int, Lazy<(RunPlan Plan, Digest Identity)>> Plans = new();

    public bool IsCanonical => Plan.Identity.Order.Kind == OrderKind.Canonical;

    /// <summary>Some gradients are NaN: in plans with sentinels.</summary>
    public bool Diverges => Plan.Identity.Sentinels is not null;

    public int Generators => 1 + (Shape % 3);

    /// <summary>The end of this plan's run without a fault.</summary>
    public Undisturbed Expected => Results.GetOrAdd(Shape, shape => new(() => Undisturbed.Of(Quiet(shape)))).Value;

    public static Scenario Quiet(int shape)
    {
        (RunPlan plan, Digest identity) = Plans.GetOrAdd(shape, s => new(() => Describe(s))).Value;
        return new(1, shape, plan, identity, []);
    }

    /// <summary>How the run ends.</summary>
    public RunEnd End => Shape < Shapes ? RunEnd.Completed : RunEnd.SentinelTripped;

    /// <summary>Half of the runs compact their journal.</summary>
    public bool Compacts => Plan.Operation.Retention is not null;

    /// <param name="shape">Null: drawn by the seed, of <see cref="Shapes"/>.</param>
    public static Scenario Of(ulong seed, int? shape = null)
    {
        var random = new Random(unchecked((int)seed));
        Scenario quiet = Quiet(shape ?? random.Next(Shapes));
        if (seed % 2 == 0)
        {
            quiet = quiet with { Plan = quiet.Plan with { Operation = quiet.Plan.Operation with { Retention = new RetentionPlan(2 + random.Next(2), random.Next(2) == 0, CompactingSteps) } } };
        }

        FaultKind[] kinds = [.. Enum.GetValues<FaultKind>().Where(kind => kind != FaultKind.ExhaustedScorer && !IsBeyondPromises(quiet, kind))];
        int span = quiet.Expected.Events * 3 / 4;
        var faults = ImmutableArray.CreateBuilder<Fault>();
        int count = 10 + random.Next(8);
        for (int i = 0; i < count; i++)
        {
            FaultKind kind = kinds[random.Next(kinds.Length)];
            faults.Add(new Fault(kind, random.Next(span), random.Next(1_000_000)));
            if (quiet.Compacts && kind is FaultKind.CheckpointBitFlip or FaultKind.LostSuffix)
            {
                kinds = [.. kinds.Except([FaultKind.CheckpointBitFlip, FaultKind.LostSuffix])]; // two checkpoints stand between a compacted run and its end
            }
        }

        if (seed % 10 == 0)
        {
            faults.Add(new Fault(FaultKind.ExhaustedScorer, random.Next(span), random.Next(1_000_000)));
        }

        return quiet with { Seed = seed, Faults = faults.ToImmutable() };
    }

    /// <summary>Damage to the one checkpoint that a rollback returns to, or to both that a compacted journal leads on from, ends a run with a sentence.</summary>
    private static bool IsBeyondPromises(Scenario scenario, FaultKind kind) => kind switch
    {
        FaultKind.CheckpointBitFlip => scenario.Diverges,
        FaultKind.DiskLies => scenario.Diverges || scenario.Compacts,
        _ => false,
    };

    /// <summary>A run of this many steps that compacts every so many, and forgets what is compacted.</summary>
    public static Scenario Long(int steps, int journalSteps, ImmutableArray<Fault> faults)
    {
        Scenario quiet = Quiet(2);
        PhasePlan[] phases = [.. quiet.Plan.Identity.Phases.Select(phase => phase.Group is null ? phase : phase with { Steps = steps, Schedule = phase.Schedule with { TotalSteps = steps } })];
        var plan = new RunPlan(quiet.Plan.Identity with { Phases = [.. phases] }, quiet.Plan.Operation with { Retention = new RetentionPlan(2, true, journalSteps) });
        return quiet with { Plan = plan, IdentityDigest = Digest.Of($"identity of {steps} steps"), Faults = faults, Forgets = true };
    }

    private static (RunPlan Plan, Digest Identity) Describe(int shape)
    {
        bool stops = shape >= Shapes;
        OrderKind order = stops || shape % 2 == 0 ? OrderKind.Canonical : OrderKind.Arrival;
        int lag = stops ? shape - Shapes : shape / 2 % 3, flavour = stops ? Flavours : shape / 6;
        bool refill = flavour == 1 && order == OrderKind.Canonical, drop = flavour is 1 or 2, twice = flavour == 3;
        var data = new DataPlan("rows.jsonl", 17, default, 100);
        ObjectivePlan objective = ObjectivePlan.For(Dialect.Trl, "grpo");
        if (flavour is 2 or 3 or 4)
        {
            objective = objective with { Kl = objective.Kl with { Coefficient = 0.04 } };
        }

        if (flavour == 4) // everything that an objective carries from step to step, and rollbacks through it
        {
            objective = objective with { AdaptiveKl = new(Target: 0.01, Horizon: 100), AdaptiveEntropy = new(Target: 2), Reference = new(EverySteps: 3, Alpha: 0.5) };
        }

        var group = new GroupPlan(6, 2, 8, new SamplingPlan(1, 0, 1, 0, 1, [], [2]), 1, 1, objective, refill ? 2 : 0, RefillExhausted.TrainWhatThereIs, drop, KeepUnscorable: false);
        PhasePlan[] phases = twice
            ? [Phase("sft", PhaseKind.Sft, 2, null), Phase("first", PhaseKind.Grpo, 10, group), Phase("second", PhaseKind.Grpo, 10, group with { GroupsPerStep = 7 })]
            : [Phase("sft", PhaseKind.Sft, 2, null), Phase("grpo", PhaseKind.Grpo, 20, group)];
        var identity = new RunIdentity(
            (ulong)(7 + shape), "fake", "1", new ModelSource(null, "{}", null), Digest.Of("start"), Digest.Of("tokenizer"), new OrderPlan(order, lag, 5), [.. phases],
            [Reward("right"), Reward("format")], flavour == 0 ? null : new EvaluationPlan(data, 4, "right", 1, 8), RewardFailure.Record,
            flavour switch { 4 => Sentinels, Flavours => Sentinels with { NotFinite = SentinelAction.Stop, Rules = [.. Sentinels.Rules.Select(rule => rule with { Action = SentinelAction.Stop })] }, _ => null });
        var operation = new RunOperation("/run", 1, 1, 1, 0, 1024, 3, 0, new DeadlinePlan(Seconds(30), Seconds(60), Seconds(60), Seconds(60), AskedMax), 3);
        return (new RunPlan(identity, operation), Digest.Of($"identity {shape}"));

        PhasePlan Phase(string name, PhaseKind kind, int steps, GroupPlan? groups) => new(
            name, kind, steps, data, true, new LearningRateSchedule { LearningRate = 1e-3, TotalSteps = steps }, new OptimizerPlan(0.9, 0.999, 1e-8, 0, 1), kind == PhaseKind.Sft ? 5 : 0, groups);

        static RewardPlan Reward(string name) => new(name, "fake", 1, 1, "{}", Seconds(1), 2);
    }

    private static SentinelPlan Sentinels { get; } = new(
        SentinelAction.RollBack,
        [new SentinelRule(SentinelKind.GradNorm, 10, SentinelAction.RollBack), new SentinelRule(SentinelKind.LengthBlowUp, 1.2, SentinelAction.Warn)],
        4, 0.5, 1000);

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}

/// <summary>How a run ends that nothing disturbs.</summary>
internal sealed record Undisturbed(RunState Run, int Events, CheckpointRecord Last)
{
    public static Undisturbed Of(Scenario scenario)
    {
        var simulation = new SimulatedRun(scenario, Rig.Sound);
        RunState run = simulation.ToTheEnd();
        return new(run, simulation.Events, run.Checkpoints.MaxBy(checkpoint => checkpoint.Step)!);
    }
}
