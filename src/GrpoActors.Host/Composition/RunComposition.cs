using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Rewards;

namespace GrpoActors.Host.Composition;

/// <summary>The composition root: run file -> plan -> engine, tokenizer, rows, rewards.</summary>
public static class RunComposition
{
    /// <summary>Checks a run file against this machine. All mistakes at once.</summary>
    public static PlanResult Plan(RunOptions options, RewardRegistry rewards) => options.ToPlan(new HostFacts(rewards));

    /// <exception cref="ConfigException">A data row is too long or cannot be encoded.</exception>
    public static RunSetup Build(RunPlan plan, RewardRegistry rewards)
    {
        RunIdentity identity = plan.Identity;
        ChatOptions? chat = identity.Model.Chat is { } planned ? new ChatOptions(planned.TemplatePath, planned.ApplyToPrompts, planned.System, planned.Variables) : null;
        ModelSourceFiles model = ModelSourceFiles.Open(new ModelOptions(identity.Model.Path, identity.Model.Config, identity.Model.Tokenizer, chat), identity.Seed);
        RowEncoder encoder = model.Encoder(chat);
        PromptTable[] phases = [.. identity.Phases.Select(phase => Rows(phase, model, encoder))];
        PromptTable? heldOut = identity.Evaluation is { } evaluation
            ? DataFile.Read(evaluation.Data, DataUse.Prompts, encoder, model.Spec.ContextLength, evaluation.MaxCompletionLength, "evaluation.data")
            : null;
        ImmutableArray<IReward> made = [.. identity.Rewards.Select(reward => rewards.Make(reward.Kind, reward.Settings).Reward
            ?? throw new InvalidOperationException($"Reward {reward.Name} was checked, but cannot be made."))];
        IEngine engine = new CpuEngineProvider().Open(model.Spec, new EngineOptions(Threads(plan.Operation), plan.Operation.MicroBatchTokens, plan.Operation.GradientCheckpointing));
        return new RunSetup(
            plan, PlanIdentity.IdentityDigest(identity), engine, model.Tokenizer, phases, heldOut, new RewardSet(identity, made, model.Tokenizer), model.StartingWeights, model.Spec);
    }

    private static PromptTable Rows(PhasePlan phase, ModelSourceFiles model, RowEncoder encoder) => DataFile.Read(
        phase.Data, phase.Group is null ? DataUse.Examples : DataUse.Prompts, encoder, model.Spec.ContextLength,
        phase.Group?.MaxCompletionLength ?? 0, $"phases.{phase.Name}.data");

    private static int Threads(RunOperation operation) => operation.Threads > 0 ? operation.Threads : Environment.ProcessorCount;
}
