using System.Collections.Immutable;
using System.Text.Json.Serialization;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Schedules;

namespace GrpoActors.Core.Plans;

/// <summary>A checked, immutable run: every default filled. What the result depends on stands in <see cref="Identity"/>, the rest in <see cref="Operation"/>.</summary>
public sealed record RunPlan(RunIdentity Identity, RunOperation Operation);

/// <summary>Everything that the result depends on. Its canonical JSON is hashed and opens the ledger.</summary>
/// <param name="Seed">Key of every random number of the run.</param>
/// <param name="Engine">For example <c>cpu</c>; part of the identity because other engines give other bits.</param>
/// <param name="NumericsRevision">Raised whenever a kernel's bits change.</param>
/// <param name="StartingWeights">weightsSha256 of version 0.</param>
/// <param name="Tokenizer">SHA-256 of the tokenizer's file.</param>
public sealed record RunIdentity(
    ulong Seed, string Engine, string NumericsRevision, ModelSource Model, Digest StartingWeights, Digest Tokenizer,
    OrderPlan Order, ImmutableArray<PhasePlan> Phases, ImmutableArray<RewardPlan> Rewards, EvaluationPlan? Evaluation, RewardFailure OnRewardFailure,
    SentinelPlan? Sentinels = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] BalancerPlan? Balancer = null)
{
    /// <summary>The engine of a run file that names none, and of a model that no run trained.</summary>
    public const string DefaultEngine = "cpu";

    public ImmutableArray<double> RewardWeights => [.. Rewards.Select(reward => reward.Weight)];

    /// <summary>Objectives have curves of their own: a reward names one, or vetoes, or a balancer weighs them.</summary>
    public bool HasObjectives => Balancer is not null || Rewards.Any(reward => reward.Objective is not null || reward.Veto is not null);

    /// <summary>Steps committed when a phase begins.</summary>
    public long PhaseStart(int phase) => Phases.Take(phase).Sum(before => (long)before.Steps);
}

/// <summary>Where the policy comes from: a Hugging Face folder, or a model description that is initialised at random.</summary>
/// <param name="Path">Folder; null for a random start.</param>
/// <param name="Config">The model's <c>config.json</c> form, complete, as canonical JSON.</param>
/// <param name="Tokenizer">Of a random start; null for a folder, which has its own.</param>
public sealed record ModelSource([property: Place] string? Path, [property: EmbeddedJson] string? Config, ChatPlan? Chat, TokenizerOptions? Tokenizer = null);

/// <summary>How conversations become text. Null in a plan whose model has no chat template.</summary>
/// <param name="Template">SHA-256 of the chat template's text in UTF-8.</param>
/// <param name="Variables">Template variables such as enable_thinking, as JSON.</param>
/// <param name="ApplyToPrompts">Rows with a prompt are rendered too, as one message of the user.</param>
/// <param name="System">Stands before conversations that do not begin with a system message; null: nothing does.</param>
/// <param name="TemplatePath">A template of the run's own; null: the model's.</param>
public sealed record ChatPlan(
    Digest Template, [property: EmbeddedJson] string Variables, bool ApplyToPrompts = false, string? System = null, [property: Place] string? TemplatePath = null);

public enum OrderKind : byte
{
    /// <summary>Which version samples and which step trains a group are fixed by the plan alone.</summary>
    Canonical = 0,
    /// <summary>First come, first trained; the newest version samples.</summary>
    Arrival = 1,
}

/// <param name="Lag">Largest difference between the learner's version and the version that sampled; 0 is on-policy.</param>
/// <param name="EmptyStepsMax">More empty steps than this in a row stop the run.</param>
public sealed record OrderPlan(OrderKind Kind, int Lag, int EmptyStepsMax);

public enum SentinelKind : byte
{
    /// <summary>Trips above this size of the loss.</summary>
    Loss = 0,
    /// <summary>Trips above this global norm before clipping.</summary>
    GradNorm = 1,
    /// <summary>Trips above this divergence from the reference, in nats a token.</summary>
    Kl = 2,
    /// <summary>Trips below this entropy, in nats a token.</summary>
    EntropyCollapse = 3,
    /// <summary>Trips when the smoothed reward has fallen this far below its best.</summary>
    RewardCollapse = 4,
    /// <summary>Trips when completions are, in the mean, this many times as long as in the phase's first step.</summary>
    LengthBlowUp = 5,
}

/// <summary>From the mildest to the strongest.</summary>
public enum SentinelAction : byte
{
    /// <summary>Go on; what was seen stands in the step's metrics.</summary>
    Warn = 0,
    /// <summary>Return to the last rollback point with a smaller learning rate.</summary>
    RollBack = 1,
    Stop = 2,
}

/// <summary>A metric whose rule is not reported by the objective never trips.</summary>
public sealed record SentinelRule(SentinelKind Kind, double Threshold, SentinelAction Action);

/// <summary>What is done when training goes wrong.</summary>
/// <param name="NotFinite">When the loss, the gradient or a watched metric is NaN or infinite: <see cref="SentinelAction.Stop"/> or <see cref="SentinelAction.RollBack"/>, never a warning.</param>
/// <param name="RollbackEverySteps">Steps of a phase between versions that a rollback may return to; its first version always is one; 0: that one only.</param>
/// <param name="LearningRateFactor">In (0, 1]; every later learning rate is multiplied by it at each rollback.</param>
/// <param name="RollbacksMax">One more than this ends the run.</param>
/// <remarks>
/// The versions to return to are fixed by the plan, not by which checkpoints happened to be written: the next step waits until the checkpoint of such a
/// version is recorded. So a run that was killed rolls back to the same one.
/// </remarks>
public sealed record SentinelPlan(SentinelAction NotFinite, ImmutableArray<SentinelRule> Rules, int RollbackEverySteps, double LearningRateFactor, int RollbacksMax)
{
    public static SentinelPlan None { get; } = new(SentinelAction.Stop, [], 0, 1, 0);

    public bool RollsBack => NotFinite == SentinelAction.RollBack || Rules.Any(rule => rule.Action == SentinelAction.RollBack);
}

/// <summary>A stretch of the plan.</summary>
/// <param name="Steps">Number of steps, >= 1.</param>
/// <param name="Data">Rows: worked examples for sft, prompts for grpo.</param>
/// <param name="ResetOptimizer">Start with fresh moments.</param>
public sealed record PhasePlan(
    string Name, PhaseKind Kind, int Steps, DataPlan Data, bool ResetOptimizer, LearningRateSchedule Schedule, OptimizerPlan Optimizer,
    int ExamplesPerStep, GroupPlan? Group)
{
    /// <summary>The loss compares with the policy that the phase begins with.</summary>
    public bool NeedsReference => Group?.Objective.NeedsReference ?? false;

    public GroupPlan Groups => Group ?? throw new InvalidOperationException($"Phase {Name} ({Kind}) has no groups.");
}

/// <param name="Rows">Number of rows, after filtering.</param>
/// <param name="Sha256">Of the file's bytes.</param>
public sealed record DataPlan(
    [property: Place] string Path, long Rows, Digest Sha256, int MaxPromptLength, OverlongPrompts Overlong = OverlongPrompts.Refuse, DataColumns? Columns = null)
{
    public DataColumns Columns { get; init; } = Columns ?? new DataColumns();
}

/// <summary>What happens to a prompt of more than max_prompt_length tokens.</summary>
public enum OverlongPrompts : byte
{
    /// <summary>The run is refused; the row is named by its line.</summary>
    Refuse = 0,
    /// <summary>The row is left out.</summary>
    Filter = 1,
    /// <summary>Its last max_prompt_length tokens are kept.</summary>
    Truncate = 2,
}

/// <summary>How the rows of a data file are read.</summary>
/// <param name="Prompt">Column of the prompt.</param>
/// <param name="Answer">Column that rewards compare with.</param>
/// <param name="Template">The prompt's text; <c>{prompt}</c> stands for the column's.</param>
public sealed record DataColumns(string Prompt = "prompt", string Answer = "answer", string Template = DataColumns.Placeholder)
{
    public const string Placeholder = "{prompt}";
}

/// <summary>AdamW with decoupled decay and clipping by global norm. Decay applies to matrices and embeddings, not to vectors.</summary>
public sealed record OptimizerPlan(double Beta1, double Beta2, double Epsilon, double WeightDecay, double MaxGradNorm);

/// <summary>The settings of a grpo phase, under TRL's names where TRL has one.</summary>
/// <param name="GroupsPerStep">B: prompts trained in one step.</param>
/// <param name="NumGenerations">G: completions of one prompt, >= 2.</param>
/// <param name="NumIterations">Passes over a step's batch (TRL: num_iterations, mu).</param>
/// <param name="MiniBatches">Slices of a pass, one optimiser update each; divides GroupsPerStep.</param>
/// <param name="Objective">Everything the loss is, and how rewards become advantages.</param>
/// <param name="RefillRounds">Refill rounds for dropped groups; 0: off.</param>
/// <param name="RefillExhausted">What to do when rounds are used up and the step is short of groups.</param>
/// <param name="DropZeroSpread">Drop groups whose rewards are all equal (DAPO).</param>
/// <param name="KeepUnscorable">Keep, with advantage 0, a group with fewer than two scorable completions (dialect trl).</param>
/// <param name="PrefixSharing">The learner computes a group's prompt once for its completions.</param>
/// <param name="MaskTruncated">Completions that were cut off at their longest teach nothing (TRL: mask_truncated_completions); their rewards still count in their groups.</param>
/// <param name="MaxGenBatches">Most groups drawn for one step, in multiples of GroupsPerStep (verl: max_num_gen_batches); 0: no limit.</param>
public sealed record GroupPlan(
    int GroupsPerStep, int NumGenerations, int MaxCompletionLength, SamplingPlan Sampling, int NumIterations, int MiniBatches,
    ObjectivePlan Objective, int RefillRounds, RefillExhausted RefillExhausted, bool DropZeroSpread, bool KeepUnscorable,
    bool PrefixSharing = true, bool MaskTruncated = false, int MaxGenBatches = 0);

public enum RefillExhausted : byte
{
    TrainWhatThereIs = 0,
    Stop = 1,
}

/// <param name="TopK">0: off.</param>
/// <param name="TopP">1: off.</param>
/// <param name="MinP">0: off.</param>
/// <param name="RepetitionPenalty">1: off.</param>
public sealed record SamplingPlan(double Temperature, int TopK, double TopP, double MinP, double RepetitionPenalty, ImmutableArray<string> StopStrings, ImmutableArray<int> EosTokens);

/// <param name="Kind">Which reward function; the host resolves it.</param>
/// <param name="Revision">Raised when the function's results change; part of the identity.</param>
/// <param name="Settings">The function's own settings, as canonical JSON.</param>
/// <param name="Deadline">Of one call for one completion.</param>
/// <param name="Objective">The objective that it is a part of; null: one of its own. Left out of the identity where it is null, so that plans without keep their digest; Veto and ShowsSpecialTokens likewise.</param>
/// <param name="Veto">What it may forbid; null: nothing.</param>
/// <param name="ShowsSpecialTokens">It reads the completion with its special tokens.</param>
public sealed record RewardPlan(
    string Name, string Kind, int Revision, double Weight, [property: EmbeddedJson] string Settings, TimeSpan Deadline, int Retries,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Objective = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] VetoPlan? Veto = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool ShowsSpecialTokens = false)
{
    public string ObjectiveName => Objective ?? Name;
}

/// <summary>A completion that a reward gives less than <paramref name="Below"/> is forbidden, whatever its other rewards say.</summary>
public sealed record VetoPlan(double Below, VetoAction Action);

public enum VetoAction : byte
{
    /// <summary>It teaches nothing and enters no mean, as an unscorable one.</summary>
    Drop = 0,

    /// <summary>It gets the least that a completion of its group has.</summary>
    GroupLeast = 1,
}

/// <summary>Moves the weights of objectives towards targets, after each step: factor (1 + rate clamp(target - mean, -1, 1)), within [Min, Max]. An objective without a target keeps factor 1.</summary>
/// <param name="Targets">Wanted mean score by objective.</param>
/// <param name="Rate">In (0, 1).</param>
public sealed record BalancerPlan(ImmutableSortedDictionary<string, double> Targets, double Rate, double Min, double Max)
{
    public double Next(double factor, double target, double mean) => Math.Clamp(factor * (1 + Rate * Math.Clamp(target - mean, -1, 1)), Min, Max);
}

public enum RewardFailure : byte
{
    /// <summary>Journal the outcome and go on; the result counts it.</summary>
    Record = 0,
    Stop = 1,
}

/// <param name="EverySteps">Within grpo phases; 0: only at the start and at the end of each grpo phase.</param>
/// <param name="Reward">Name of the reward that judges; a greedy answer is right if it scores <paramref name="Threshold"/> or more.</param>
public sealed record EvaluationPlan(DataPlan Data, int EverySteps, string Reward, double Threshold, int MaxCompletionLength);

/// <summary>Free to change at any start; no result depends on it.</summary>
/// <param name="Threads">0: one for each core.</param>
/// <param name="GroupsPerTicket">Most groups that a generator is handed at once; 0: an even share of a step.</param>
/// <param name="MicroBatchTokens">Token budget of one forward/backward.</param>
/// <param name="CheckpointEverySteps">Steps between checkpoints.</param>
/// <param name="GradientCheckpointing">The learner keeps the input of each layer alone and computes the rest again.</param>
/// <param name="Retention">What is kept of checkpoints and records; null: <see cref="RetentionPlan.Default"/>.</param>
/// <param name="RewardFailuresMax">So many steps in a row in which a reward never scored stop the run; 0: never.</param>
/// <param name="Device">Where the engine calculates; null: <see cref="DevicePlan.Default"/>. What results depend on of it stands in the numerics revision.</param>
/// <param name="Journal">A SQLite file, or the connection string of a PostgreSQL database; null: journal.db in the run folder.</param>
public sealed record RunOperation(
    string RunFolder, int Generators, int Scorers, int Threads, int GroupsPerTicket, int MicroBatchTokens, int CheckpointEverySteps, int SamplesEverySteps,
    DeadlinePlan Deadlines, int WorkerRestartsMax, string? Journal = null, bool GradientCheckpointing = false, RetentionPlan? Retention = null,
    int RewardFailuresMax = 0, DevicePlan? Device = null);

/// <summary>Where an engine calculates, and in which numbers.</summary>
/// <param name="Device"><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</param>
/// <param name="Dtype">Of the products, <c>float32</c> or <c>bfloat16</c>; weights that learn and their moments are float32.</param>
/// <param name="LibTorch">The folder of the libtorch to load; null: it is looked for.</param>
public sealed record DevicePlan(string Device, string Dtype, string? LibTorch)
{
    public const string Cpu = "cpu", Float32 = "float32";

    public static DevicePlan Default { get; } = new(Cpu, Float32, null);
}

/// <summary>What is kept beyond that which the promises need.</summary>
/// <param name="CheckpointsMax">The newest checkpoints, at least 2.</param>
/// <param name="KeepBest">And the one that did best on the held-out problems.</param>
/// <param name="JournalSteps">At least the records of so many last steps stay in the journal, at most about twice as many; 0: all.</param>
public sealed record RetentionPlan(int CheckpointsMax, bool KeepBest, int JournalSteps)
{
    public static RetentionPlan Default { get; } = new(2, true, 1000);
}

/// <summary>Silence after which an effect is issued again. None of them closes a group.</summary>
/// <param name="AskedMax">So often one piece of work is asked for while nothing else happens; then the run stops, its state intact.</param>
public sealed record DeadlinePlan(TimeSpan Ticket, TimeSpan Training, TimeSpan Checkpoint, TimeSpan Evaluation, int AskedMax = DeadlinePlan.UsualAskedMax)
{
    public const int UsualAskedMax = 10;
}
