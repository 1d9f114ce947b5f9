using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;
using GrpoActors.Rewards;

namespace GrpoActors.Runtime.Composition;

/// <summary>The composition root: run file -> plan -> engine, tokenizer, rows, rewards.</summary>
public static class RunComposition
{
    /// <summary>Held-out problems that are sampled together.</summary>
    internal const int HeldOutAtOnce = 128;

    /// <summary>Checks a run file against this machine. All mistakes at once.</summary>
    /// <param name="withRows">Encode the rows too, so that all that <see cref="Build"/> would refuse is found; else they are only parsed.</param>
    public static PlanResult Plan(RunOptions options, RewardRegistry rewards, bool withRows = false) => options.ToPlan(new HostFacts(rewards, withRows));

    /// <exception cref="ConfigException">A data row is too long or cannot be encoded, or this program has no such engine.</exception>
    public static RunSetup Build(RunPlan plan, RewardRegistry rewards)
    {
        RunIdentity identity = plan.Identity;
        (ModelSourceFiles model, PromptTable[] phases, PromptTable? heldOut) = Read(identity);
        ImmutableArray<IReward> made = [.. identity.Rewards.Select(reward => rewards.Make(reward.Kind, reward.Settings).Reward
            ?? throw new InvalidOperationException($"Reward {reward.Name} was checked, but cannot be made."))];
        var options = new EngineOptions(
            Threads(plan.Operation.Threads), plan.Operation.MicroBatchTokens, plan.Operation.GradientCheckpointing, plan.Operation.Device);
        IEngine engine = EngineProviders.Open(identity.Engine, model.Spec, options);
        return new RunSetup(
            plan, PlanIdentity.IdentityDigest(identity), engine, model.Tokenizer, phases, heldOut, new RewardSet(identity, made, model.Tokenizer), model.StartingWeights, model.Spec);
    }

    /// <summary>The model that the plan trains.</summary>
    public static ModelSpec Spec(RunPlan plan) => Read(plan.Identity).Model.Spec;

    /// <summary>The most memory that the run will have resident, if its completions are as long as they may be. Reads the data; opens no weights.</summary>
    /// <exception cref="ConfigException">A data row is too long or cannot be encoded.</exception>
    public static MemoryUse Memory(RunPlan plan)
    {
        RunIdentity identity = plan.Identity;
        (ModelSourceFiles model, PromptTable[] phases, PromptTable? heldOut) = Read(identity);
        StepShape[] steps = [.. identity.Phases.Select((phase, i) => Shape(phase, phases[i]))];
        var samplers = new List<SampleShape>();
        StepShape[] sampled = [.. steps.Where((_, i) => identity.Phases[i].Group is not null)];
        if (sampled.Length > 0)
        {
            StepShape most = sampled.MaxBy(step => (long)step.Groups * step.Completions * (step.PromptTokens + step.CompletionTokens))!;
            int groups = GroupsPerGenerator(plan);
            samplers.AddRange(Enumerable.Repeat(new SampleShape(groups, most.Completions, most.PromptTokens, most.CompletionTokens), plan.Operation.Generators));
        }

        if (heldOut is not null)
        {
            samplers.Add(new SampleShape(Math.Min(heldOut.Rows.Count, HeldOutAtOnce), 1, Longest(heldOut), identity.Evaluation!.MaxCompletionLength));
        }

        bool overlaps = identity.Order is not { Kind: OrderKind.Canonical, Lag: 0 } || heldOut is not null;
        return MemoryUse.Of(model.Spec, new MemoryPlan(
            plan.Operation.MicroBatchTokens, plan.Operation.GradientCheckpointing, overlaps, Math.Max(identity.Order.Lag, overlaps ? 1 : 0),
            identity.Phases.Any(phase => phase.NeedsReference), steps, samplers));
    }

    /// <summary>Groups that a generator is handed at once: an even share of a step, unless the plan says otherwise.</summary>
    internal static int GroupsPerGenerator(RunPlan plan) => GroupsPerGenerator(plan, plan.Operation.Generators);

    /// <param name="sharers">Generators that there are at the moment; at least 1.</param>
    internal static int GroupsPerGenerator(RunPlan plan, int sharers)
    {
        int most = plan.Identity.Phases.Select(phase => phase.Group?.GroupsPerStep ?? 1).Max();
        return plan.Operation.GroupsPerTicket > 0 ? plan.Operation.GroupsPerTicket : (most + sharers - 1) / sharers;
    }

    private static (ModelSourceFiles Model, PromptTable[] Phases, PromptTable? HeldOut) Read(RunIdentity identity)
    {
        ChatOptions? chat = identity.Model.Chat is { } planned ? new ChatOptions(planned.TemplatePath, planned.ApplyToPrompts, planned.System, planned.Variables) : null;
        ModelSourceFiles model = ModelSourceFiles.Open(new ModelOptions(identity.Model.Path, identity.Model.Config, identity.Model.Tokenizer, chat), identity.Seed);
        RowEncoder encoder = model.Encoder(chat);
        PromptTable[] phases = [.. identity.Phases.Select(phase => Rows(phase, model, encoder))];
        PromptTable? heldOut = identity.Evaluation is { } evaluation
            ? DataFile.Read(evaluation.Data, DataUse.Prompts, encoder, model.Spec.ContextLength, evaluation.MaxCompletionLength, "evaluation.data")
            : null;
        return (model, phases, heldOut);
    }

    private static StepShape Shape(PhasePlan phase, PromptTable rows) => phase.Group is { } group
        ? new StepShape(group.GroupsPerStep, group.NumGenerations, Longest(rows), group.MaxCompletionLength, group.PrefixSharing)
        : new StepShape(phase.ExamplesPerStep, 1, Longest(rows), rows.Rows.Max(row => row.CompletionTokens.Length), SharesPrompts: false);

    private static int Longest(PromptTable rows) => rows.Rows.Max(row => row.PromptTokens.Length);

    private static PromptTable Rows(PhasePlan phase, ModelSourceFiles model, RowEncoder encoder) => DataFile.Read(
        phase.Data, phase.Group is null ? DataUse.Examples : DataUse.Prompts, encoder, model.Spec.ContextLength,
        phase.Group?.MaxCompletionLength ?? 0, $"phases.{phase.Name}.data");

    internal static int Threads(int setting) => setting > 0 ? setting : Environment.ProcessorCount;
}
