using System.Collections.Immutable;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Schedules;

namespace GrpoActors.Core.Plans;

/// <summary>
/// Every key of a run file. Parsing, ranges, defaults, <c>grpo config show</c> and docs/configuration.md all come from these tables.
/// Defaults are TRL's where TRL has the setting (GRPOConfig of TRL 1.16, TrainingArguments of transformers 5.23); verl's and the
/// paper's stand beside them where they differ.
/// </summary>
internal static class RunSchema
{
    private const string NamePattern = @"\A[a-z][a-z0-9_-]*\z";
    private const string NameInWords = "a name of lower-case letters, digits, _ and -, beginning with a letter";

    private static WholeForm<int> Count(int min, int max = int.MaxValue) => new(min, max);

    internal static class Run
    {
        public static readonly Setting<Dialect> Dialect = new("dialect",
            new ChoiceForm<Dialect>(("trl", Objectives.Dialect.Trl), ("verl", Objectives.Dialect.Verl), ("paper", Objectives.Dialect.Paper)),
            "Whose defaults fill in what the run file does not say: Hugging Face TRL's, verl's, or those of DeepSeekMath (arXiv:2402.03300).")
        { Default = Objectives.Dialect.Trl };

        public static readonly Setting<ulong> Seed = new("seed", new WholeForm<ulong>(0, ulong.MaxValue),
            "Key of every random number of the run.")
        { Default = 42, Origin = NameOrigin.Transformers };

        public static readonly Setting<string> Engine = new("engine", new TextForm("the name of an engine"),
            "What runs the model. Engines give different bits, so it belongs to the run's identity.")
        { Default = RunIdentity.DefaultEngine };

        public static readonly Setting<string> Device = new("device", new TextForm("cpu, cuda or cuda:N", @"\A(cpu|cuda(:[0-9]{1,3})?)\z"),
            "Where the engine calculates. The cpu engine runs on cpu only; torch on a CUDA device too. Another kind of device gives other bits.")
        { Default = DevicePlan.Cpu };

        public static readonly Setting<string> Dtype = new("dtype", new TextForm("float32 or bfloat16", @"\A(float32|bfloat16)\z"),
            "Numbers of the model's products; weights that learn and their moments are float32. bfloat16: torch only.")
        { Default = DevicePlan.Float32, AlsoKnownAs = ["torch_dtype", "bf16"] };

        public static readonly Setting<string> LibTorch = new("libtorch", new TextForm("a folder"),
            "The folder of the libtorch that the torch engine loads.")
        { Part = SettingPart.Operation, DefaultInWords = "GRPO_LIBTORCH, beside the program, or an installed PyTorch's" };

        public static readonly Setting<OrderKind> Order = new("order",
            new ChoiceForm<OrderKind>(("canonical", OrderKind.Canonical), ("arrival", OrderKind.Arrival)),
            "canonical: which version samples and which step trains a group follow from the plan alone, so the result does too. arrival: first come, first trained; faster where lengths differ much.")
        { Default = OrderKind.Canonical };

        public static readonly Setting<int> Lag = new("lag", Count(0, 1000),
            "Largest difference between the learner's version and the version that sampled; 0 is on-policy, 1 samples the next step's groups while this step trains.")
        { Default = 0, AlsoKnownAs = ["max_staleness", "max_off_policy_threshold", "staleness", "max_lag"] };

        public static readonly Setting<int> EmptyStepsMax = new("empty_steps_max", Count(0),
            "More steps in a row than this without one trainable token, or with advantages that are all 0, end the run.")
        { Default = 10 };

        public static readonly Setting<RewardFailure> OnRewardFailure = new("on_reward_failure",
            new ChoiceForm<RewardFailure>(("record", RewardFailure.Record), ("stop", RewardFailure.Stop)),
            "A reward that exhausts its deadline and its retries. record: the completion is unscorable, and the result counts the outcome; stop: the run stops and names the completion.")
        { Default = RewardFailure.Record };

        public static readonly SectionSetting Model = new("model", "The policy to start from.", RunSchema.Model.All) { Required = true };

        public static readonly SectionSetting Phases = new("phases", "The stretches of the run, one after the other. Settings of a phase are addressed by its name: phases.grpo.steps.",
            Phase.Common, IsList: true)
        { Required = true };

        public static readonly SectionSetting Rewards = new("rewards", "The reward functions; a completion's reward is their weighted sum. Addressed by name: rewards.answer.weight.",
            Reward.All, IsList: true)
        { AlsoKnownAs = ["reward_funcs", "reward_functions"] };

        public static readonly SectionSetting Balancer = new("balancer", "Weights of objectives that move towards targets.", RunSchema.Balancer.All);

        public static readonly SectionSetting Evaluation = new("evaluation", "Greedy accuracy on held-out problems; left out: no evaluation.", RunSchema.Evaluation.All);

        public static readonly SectionSetting Sentinels = new("sentinels", "What is watched for while it trains, and what is done then; left out: only NaN and infinity, which stop the run.", RunSchema.Sentinels.All);

        public static readonly Setting<string> RunDir = new("run_dir", new TextForm("a folder"),
            "The run folder, relative to the current folder.")
        { Part = SettingPart.Operation, DefaultInWords = "runs/ and the run file's name without its extension", AlsoKnownAs = ["output_dir", "run_folder", "default_local_dir"] };

        public static readonly Setting<string> Journal = new("journal", new TextForm("a path, or a connection string without a password (PGPASSWORD or PGPASSFILE gives it)", @"\A(?!(?i:.*\b(password|pwd)\s*=)).*\S.*\z"),
            "Where the run's events are kept: a SQLite file, relative to the current folder, or a PostgreSQL database that runs may share, as \"Host=db;Database=grpo;Username=grpo\".")
        { Part = SettingPart.Operation, DefaultInWords = "journal.db in the run folder", AlsoKnownAs = ["journal_path", "database", "connection_string"] };

        public static readonly Setting<int> Generators = new("generators", Count(1, 1024), "Workers that sample completions.")
        { Default = 1, Part = SettingPart.Operation, AlsoKnownAs = ["num_workers", "actors"] };

        public static readonly Setting<int> Scorers = new("scorers", Count(1, 1024), "Workers that run rewards.")
        { Default = 2, Part = SettingPart.Operation };

        public static readonly Setting<int> Threads = new("threads", Count(0, 1024), "Threads of the trainer, and of all generators together; 0: one for each core.")
        { Default = 0, Part = SettingPart.Operation };

        public static readonly Setting<int> GroupsPerTicket = new("groups_per_ticket", Count(0),
            "Most groups that a generator is handed at once; 0: an even share of a step.")
        { Default = 0, Part = SettingPart.Operation };

        public static readonly Setting<int> MicroBatchTokens = new("micro_batch_tokens", Count(1),
            "Token budget of one forward and backward pass: memory against speed, never the result.")
        { Default = 4096, Part = SettingPart.Operation, AlsoKnownAs = ["ppo_max_token_len_per_gpu", "ppo_micro_batch_size"] };

        public static readonly Setting<bool> GradientCheckpointing = new("gradient_checkpointing", new FlagForm(),
            "The learner keeps the input of each layer alone and computes the rest again in the backward pass: less memory, a third more work, never another result.")
        { Default = false, Part = SettingPart.Operation, Origin = NameOrigin.Transformers, AlsoKnownAs = ["enable_gradient_checkpointing"] };

        public static readonly Setting<int> SaveSteps = new("save_steps", Count(1), "Steps between checkpoints. What was learned since the last one is trained again after a crash, from the journal.")
        { Default = 50, Part = SettingPart.Operation, Origin = NameOrigin.Transformers, Synonym = "checkpoint_steps", AlsoKnownAs = ["save_freq", "save_every"] };

        public static readonly Setting<int> SaveTotalLimit = new("save_total_limit", Count(2),
            "So many newest checkpoints are kept, at least 2: a damaged one must have another before it. Those that a rollback, the phase's start or an open group needs are kept besides.")
        { Default = RetentionPlan.Default.CheckpointsMax, Part = SettingPart.Operation, Origin = NameOrigin.Transformers, AlsoKnownAs = ["max_ckpt_to_keep", "max_actor_ckpt_to_keep", "keep_last"] };

        public static readonly Setting<bool> SaveBest = new("save_best", new FlagForm(), "Keep the checkpoint too whose version did best on the held-out problems, of those that were evaluated and written.")
        { Default = RetentionPlan.Default.KeepBest, Part = SettingPart.Operation, AlsoKnownAs = ["load_best_model_at_end", "keep_best"] };

        public static readonly Setting<int> JournalSteps = new("journal_steps", Count(0),
            "At least the records of so many last steps stay in the journal, and at most about twice as many; older ones are folded into one record and deleted. 0: all stay. Audit, replay and inspect see what is left.")
        { Default = RetentionPlan.Default.JournalSteps, Part = SettingPart.Operation };

        public static readonly Setting<int> SamplesSteps = new("samples_steps", Count(0), "Sample completions are shown and written every so many steps; 0: never.")
        { Default = 10, Part = SettingPart.Operation, AlsoKnownAs = ["log_completions"] };

        public static readonly Setting<int> WorkerRestartsMax = new("worker_restarts_max", Count(0), "A worker that fails more often than this stops the run, its state intact. One failure is forgotten for every ten steps committed since.")
        { Default = 5, Part = SettingPart.Operation };

        public static readonly Setting<int> RewardFailuresMax = new("reward_failures_max", Count(0),
            "So many steps in a row in which a reward never scored (it failed, or abstained while no other scored either) stop the run, its state intact; 0: never.")
        { Default = 3, Part = SettingPart.Operation };

        public static readonly SectionSetting Deadlines = new("deadlines", "Silence after which a piece of work is issued again. None of them closes a group.", RunSchema.Deadlines.All)
        { Part = SettingPart.Operation };

        public static readonly Section All = new("run", "The top of a run file.",
        [
            Dialect, Seed, Engine, Device, Dtype, LibTorch, Order, Lag, EmptyStepsMax, OnRewardFailure, Model, Phases, Rewards, Balancer, Evaluation, Sentinels,
            RunDir, Journal, JournalSteps, Generators, Scorers, Threads, GroupsPerTicket, MicroBatchTokens, GradientCheckpointing, SaveSteps, SaveTotalLimit, SaveBest, SamplesSteps, WorkerRestartsMax, RewardFailuresMax, Deadlines,
        ]);
    }

    internal static class Model
    {
        public static readonly Setting<string> Path = new("path", new TextForm("the folder of a Hugging Face model"),
            "A Hugging Face folder: config.json, tokenizer.json, safetensors. Either this or config.")
        { DefaultInWords = "none", AlsoKnownAs = ["model_name_or_path", "model_path", "model_name"] };

        public static readonly Setting<string> Config = new("config", new ObjectForm("an object like a Hugging Face config.json"),
            "A model that starts at random: the keys of a Hugging Face config.json. vocab_size and the ids of special tokens may be left out: the tokenizer has them.")
        { DefaultInWords = "none" };

        public static readonly SectionSetting Tokenizer = new("tokenizer", "The tokenizer of a model that starts at random.", RunSchema.Tokenizer.All);

        public static readonly SectionSetting Chat = new("chat", "How conversations become text; for a model with a chat template.", RunSchema.Chat.All);

        public static readonly Section All = new("model", "A folder, or config and tokenizer.", [Path, Config, Tokenizer, Chat]);
    }

    internal static class Chat
    {
        public static readonly Setting<bool> ApplyToPrompts = new("apply_to_prompts", new FlagForm(), "Render rows with a prompt too, as one message of the user. Rows with messages always are.")
        { Default = false, AlsoKnownAs = ["apply_chat_template"] };

        public static readonly Setting<string> System = new("system", new TextForm("a text"), "System message of conversations that do not begin with one.")
        { DefaultInWords = "none, or the template's own", AlsoKnownAs = ["system_prompt"] };

        public static readonly Setting<string> Variables = new(
            "chat_template_kwargs", new ObjectForm("an object"),
            "Variables that the template reads, such as enable_thinking; a row's own, in a column of this name, win over them.")
        { Default = "{}", Origin = NameOrigin.Trl, AlsoKnownAs = ["template_kwargs", "variables"] };

        public static readonly Setting<string> TemplatePath = new("chat_template_path", new TextForm("a Jinja file"), "A chat template to use instead of the model's. Relative as a phase's data.")
        { DefaultInWords = "the model's", Origin = NameOrigin.Trl, AlsoKnownAs = ["chat_template"] };

        public static readonly Section All = new("chat", "The model's chat template renders each row's messages and opens the assistant's turn. Its SHA-256 belongs to the run's identity.", [ApplyToPrompts, System, Variables, TemplatePath]);
    }

    /// <summary>How a data file is read: in every phase, and in the evaluation.</summary>
    internal static class Rows
    {
        public static readonly Setting<string> PromptColumn = new("prompt_column", new TextForm("the name of a column"), "Column of the prompt: a text, or (as TRL's data sets have it) a list of messages.")
        { Default = "prompt", AlsoKnownAs = ["prompt_key"] };

        public static readonly Setting<string> AnswerColumn = new("answer_column", new TextForm("the name of a column"), "Column that rewards compare with.")
        { Default = "answer", AlsoKnownAs = ["answer_key", "reward_fn_key"] };

        public static readonly Setting<string> PromptTemplate = new("prompt_template", new TextForm("a text that holds {prompt}", @"\{prompt\}"), "The prompt's text; {prompt} stands for the column's. Messages are left alone.")
        { Default = DataColumns.Placeholder, AlsoKnownAs = ["prompt_suffix", "instruction"] };
    }

    internal static class Tokenizer
    {
        public static readonly Setting<string> Kind = new("kind", new ChoiceForm<string>(("characters", "characters")), "characters: one token a character, and some whole ones.")
        { Default = "characters" };

        public static readonly Setting<string> Characters = new("characters", new TextForm("the characters of the alphabet, each once"), "The alphabet. A character outside of it is an error, not an unknown token.")
        { Required = true };

        public static readonly Setting<string> PadToken = new("pad_token", new TextForm("a token"), "Fills up; never sampled on purpose.") { Default = "<pad>", Origin = NameOrigin.Transformers };

        public static readonly Setting<string> BosToken = new("bos_token", new TextForm("a token"), "Stands before every prompt.") { Default = "<bos>", Origin = NameOrigin.Transformers };

        public static readonly Setting<string> EosToken = new("eos_token", new TextForm("a token"), "Ends a completion.") { Default = "<eos>", Origin = NameOrigin.Transformers };

        public static readonly Setting<ImmutableArray<string>> WholeTokens = new("whole_tokens", new TextsForm("a list of texts"), "Texts that are one token each, such as <think>; they stay in the decoded text.")
        { Default = [] };

        public static readonly Section All = new("tokenizer", "Ids: pad, bos, eos, the whole tokens, the characters.", [Kind, Characters, PadToken, BosToken, EosToken, WholeTokens]);
    }

    internal static class Phase
    {
        public static readonly Setting<string> Name = new("name", new TextForm(NameInWords, NamePattern), "What --set, metrics and reports call it.") { Required = true };

        public static readonly Setting<PhaseKind> Kind = new("kind", new ChoiceForm<PhaseKind>(("sft", PhaseKind.Sft), ("grpo", PhaseKind.Grpo)),
            "sft: supervised, on worked examples. grpo: reinforcement learning on prompts.")
        { Required = true };

        public static readonly Setting<int> Steps = new("steps", Count(1), "Steps of the phase.") { Required = true, AlsoKnownAs = ["max_steps", "total_training_steps", "num_steps"] };

        public static readonly Setting<string> Data = new("data", new TextForm("a data file"),
            "Rows, in a file of one JSON object a line, a JSON array, .csv, .tsv or .parquet (all but the last also .gz): prompt and completion (sft), prompt and whatever the rewards ask for, such as answer (grpo). Written in the run file: relative to the run file's folder; elsewhere: to the current folder.")
        { Required = true, AlsoKnownAs = ["train_files", "dataset", "train_file", "dataset_name", "prompts"] };

        public static readonly Setting<bool> ResetOptimizer = new("reset_optimizer", new FlagForm(), "Begin the phase with fresh moments and update count.") { Default = true };

        public static readonly Setting<double> LearningRate = new("learning_rate", new RealForm(0, aboveMin: true), "Peak of the schedule.")
        { Default = 1e-6, Origin = NameOrigin.Trl, AlsoKnownAs = ["lr"] };

        public static readonly Setting<string> Schedule = new("lr_scheduler_type", new ChoiceForm<string>([.. LearningRateSchedule.Names.Select(name => (name, name))]),
            "How the learning rate moves over the phase's steps; the values are those of transformers.")
        { DefaultByDialect = ("linear", "constant", "constant"), Origin = NameOrigin.Transformers, AlsoKnownAs = ["scheduler", "lr_schedule", "lr_decay_style"] };

        public static readonly Setting<int> WarmupSteps = new("warmup_steps", Count(0), "Steps that rise linearly from 0; counted in the phase's steps.")
        { Default = 0, Origin = NameOrigin.Transformers, AlsoKnownAs = ["lr_warmup_steps", "num_warmup_steps", "warmup", "warmup_ratio"] };

        public static readonly Setting<ImmutableSortedDictionary<string, double>> ScheduleSettings = new("lr_scheduler_kwargs", new NumbersForm("an object of numbers"),
            "Further numbers of the schedule: num_cycles, min_lr, min_lr_rate, power, lr_end, num_decay_steps, min_lr_ratio, timescale.")
        { Default = ImmutableSortedDictionary<string, double>.Empty, Origin = NameOrigin.Transformers };

        public static readonly Setting<double> WeightDecay = new("weight_decay", new RealForm(0), "Decoupled decay of matrices and embeddings, per unit of learning rate.")
        { DefaultByDialect = (0, 0.01, 0), Origin = NameOrigin.Transformers };

        public static readonly Setting<double> AdamBeta1 = new("adam_beta1", new RealForm(0, 1, belowMax: true), "AdamW's decay of the first moment.") { Default = 0.9, Origin = NameOrigin.Transformers, AlsoKnownAs = ["beta1"] };

        public static readonly Setting<double> AdamBeta2 = new("adam_beta2", new RealForm(0, 1, belowMax: true), "AdamW's decay of the second moment.") { Default = 0.999, Origin = NameOrigin.Transformers, AlsoKnownAs = ["beta2"] };

        public static readonly Setting<double> AdamEpsilon = new("adam_epsilon", new RealForm(0, aboveMin: true), "Added to the root of the second moment.") { Default = 1e-8, Origin = NameOrigin.Transformers, AlsoKnownAs = ["adam_eps", "eps"] };

        public static readonly Setting<double> MaxGradNorm = new("max_grad_norm", new RealForm(0), "The gradient of an update is scaled down to this global norm; 0 or null: never.")
        { Default = 1, Null = [0], Origin = NameOrigin.Transformers, AlsoKnownAs = ["grad_clip", "clip_grad", "gradient_clipping"] };

        public static readonly Setting<int> MaxPromptLength = new("max_prompt_length", Count(1), "Longest prompt, in tokens, chat template included.")
        { DefaultInWords = "what the model's context leaves beside max_completion_length", Origin = NameOrigin.Trl };

        public static readonly Setting<OverlongPrompts> OverlongPrompts = new("overlong_prompts",
            new ChoiceForm<OverlongPrompts>(("refuse", Plans.OverlongPrompts.Refuse), ("filter", Plans.OverlongPrompts.Filter), ("truncate", Plans.OverlongPrompts.Truncate)),
            "A prompt longer than max_prompt_length: refuse the run and name the line, leave the row out, or keep the prompt's last tokens.")
        { Default = Plans.OverlongPrompts.Refuse, AlsoKnownAs = ["filter_overlong_prompts", "truncation"] };

        public static readonly Section Common = new("phase", "Settings of every phase.",
        [
            Name, Kind, Steps, Data, Rows.PromptColumn, Rows.AnswerColumn, Rows.PromptTemplate, MaxPromptLength, OverlongPrompts, ResetOptimizer, LearningRate, Schedule, WarmupSteps, ScheduleSettings,
            WeightDecay, AdamBeta1, AdamBeta2, AdamEpsilon, MaxGradNorm,
        ]);

        public static readonly Setting<int> ExamplesPerStep = new("examples_per_step", Count(1), "Worked examples of one step, which is one optimiser update.")
        { Default = 8, AlsoKnownAs = ["batch_size", "per_device_train_batch_size", "train_batch_size"] };

        public static readonly Section Sft = new("sft phase", "Settings of a phase of kind sft.", [ExamplesPerStep]);

        public static readonly Setting<int> GroupsPerStep = new("groups_per_step", Count(1), "Prompts of one step, B.")
        { Default = 8, AlsoKnownAs = ["batch_size", "train_batch_size", "prompts_per_step", "per_device_train_batch_size"] };

        public static readonly Setting<int> NumGenerations = new("num_generations", Count(2, 4096), "Completions of one prompt, G. One alone has nothing to be compared with.")
        { DefaultByDialect = (8, 8, 64), Origin = NameOrigin.Trl, AlsoKnownAs = ["group_size", "n", "num_samples", "rollouts_per_prompt"] };

        public static readonly Setting<int> MaxCompletionLength = new("max_completion_length", Count(1), "Longest completion, in tokens; a longer one is cut off there.")
        { DefaultByDialect = (512, 512, 1024), Origin = NameOrigin.Trl, AlsoKnownAs = ["max_new_tokens", "max_tokens", "max_response_length", "response_length"] };

        public static readonly Setting<double> Temperature = new("temperature", new RealForm(0, aboveMin: true), "Divides the logits, in the sampler and in the learner alike.") { Default = 1, Origin = NameOrigin.Trl };

        public static readonly Setting<int> TopK = new("top_k", Count(0), "Draw from the k most probable tokens; 0: off.") { Default = 0, Origin = NameOrigin.Trl };

        public static readonly Setting<double> TopP = new("top_p", new RealForm(0, 1, aboveMin: true), "Draw from the fewest tokens that hold this probability; 1: off.") { Default = 1, Origin = NameOrigin.Trl };

        public static readonly Setting<double> MinP = new("min_p", new RealForm(0, 1), "Draw from tokens with at least this share of the highest probability; 0: off.") { Default = 0, Origin = NameOrigin.Trl };

        public static readonly Setting<double> RepetitionPenalty = new("repetition_penalty", new RealForm(0, aboveMin: true), "Divides positive and multiplies negative logits of tokens that occurred; 1: off.") { Default = 1, Origin = NameOrigin.Trl };

        public static readonly Setting<ImmutableArray<string>> StopStrings = new("stop_strings", new TextsForm("a list of texts"), "Texts that end a completion; they stay in it.")
        { Default = [], Origin = NameOrigin.Transformers, AlsoKnownAs = ["stop"] };

        public static readonly Setting<int> NumIterations = new("num_iterations", Count(1, 1000), "Passes over a step's batch, mu.") { Default = 1, Origin = NameOrigin.Trl, AlsoKnownAs = ["ppo_epochs", "mu"] };

        public static readonly Setting<int> MiniBatches = new("mini_batches", Count(1), "Slices of a pass, one optimiser update each; divides groups_per_step.")
        { Default = 1, AlsoKnownAs = ["ppo_mini_batch_size", "num_mini_batches", "steps_per_generation"] };

        public static readonly Setting<bool> PrefixSharing = new("prefix_sharing", new FlagForm(),
            "The learner computes a group's prompt once for its completions, forward and backward. It changes the order of sums, so it belongs to the run's identity; the log-probs are the same bits either way.")
        { Default = true, AlsoKnownAs = ["use_prefix_grouper", "prefix_grouper"] };

        public static readonly Setting<bool> DropZeroSpread = new("drop_zero_spread", new FlagForm(), "Drop groups whose rewards are all equal (DAPO's dynamic sampling, verl's filter_groups).")
        { Default = false, AlsoKnownAs = ["filter_groups", "dynamic_sampling"] };

        public static readonly Setting<bool> KeepUnscorable = new("keep_unscorable", new FlagForm(), "A group with fewer than two scorable completions is kept with advantage 0 (as TRL does) instead of dropped.")
        { DefaultByDialect = (true, false, false) };

        public static readonly Setting<int> Refill = new("refill", Count(0, 1000), "Canonical order: rounds in which dropped groups of a step are replaced by new ones; 0: off. In order arrival they always are.")
        { Default = 0, AlsoKnownAs = ["refill_rounds"] };

        public static readonly Setting<RefillExhausted> OnRefillExhausted = new("on_refill_exhausted",
            new ChoiceForm<RefillExhausted>(("train", RefillExhausted.TrainWhatThereIs), ("stop", RefillExhausted.Stop)), "When the rounds, or the groups that max_num_gen_batches allows, are used up and the step is short of groups: train on what there is, or stop the run.")
        { Default = RefillExhausted.TrainWhatThereIs };

        public static readonly Setting<bool> MaskTruncatedCompletions = new("mask_truncated_completions", new FlagForm(),
            "Completions that were cut off at max_completion_length teach nothing; their rewards still count in their groups (DAPO's overlong filtering). Its soft penalty on length is the reward of kind length.")
        { Default = false, Origin = NameOrigin.Trl, AlsoKnownAs = ["overlong_filtering", "mask_truncated", "overlong_buffer"] };

        public static readonly Setting<int> MaxNumGenBatches = new("max_num_gen_batches", Count(0, 1_000_000),
            "Most groups drawn for one step, in multiples of groups_per_step, while groups are dropped; beyond it, on_refill_exhausted says what happens. 0: no limit.")
        { Default = 10, Origin = NameOrigin.Verl };

        public static readonly Section Grpo = new("grpo phase", "Settings of a phase of kind grpo.",
        [
            GroupsPerStep, NumGenerations, MaxCompletionLength, Temperature, TopK, TopP, MinP, RepetitionPenalty, StopStrings,
            NumIterations, MiniBatches, PrefixSharing, MaskTruncatedCompletions, DropZeroSpread, KeepUnscorable, Refill, MaxNumGenBatches, OnRefillExhausted,
        ]);

        public static ImmutableArray<Section> Of(PhaseKind kind) => kind == PhaseKind.Sft ? [Sft] : [Grpo, ObjectiveSchema.All];
    }

    internal static class Reward
    {
        public static readonly Setting<string> Name = new("name", new TextForm(NameInWords, NamePattern), "What --set, metrics and evaluation.reward call it.")
        { DefaultInWords = "the kind" };

        public static readonly Setting<string> Kind = new("kind", new TextForm("the kind of a reward function"), "Which reward function.") { Required = true };

        public static readonly Setting<double> Weight = new("weight", new RealForm(), "Factor in the weighted sum.") { Default = 1, AlsoKnownAs = ["reward_weight", "reward_weights"] };

        public static readonly Setting<string> Settings = new("settings", new ObjectForm("an object"), "The function's own settings.") { Default = "{}", AlsoKnownAs = ["kwargs", "reward_kwargs", "options"] };

        public static readonly Setting<TimeSpan> Timeout = new("timeout", new DurationForm(), "Deadline of one call for one completion.") { Default = TimeSpan.FromSeconds(10), AlsoKnownAs = ["deadline"] };

        public static readonly Setting<int> Retries = new("retries", Count(0, 100), "Further attempts after a failed or late call.") { Default = 2 };

        public static readonly Setting<bool> SkipSpecialTokens = new("skip_special_tokens", new FlagForm(), "false: it reads the completion with its special tokens, the end of sequence among them.") { Default = true };

        public static readonly Setting<string> Objective = new("objective", new TextForm(NameInWords, NamePattern),
            "The objective that it is a part of: each has curves of its own in the metrics (objectives/NAME/mean), and a balancer weighs objectives.")
        { DefaultInWords = "its name" };

        public static readonly Setting<double> VetoBelow = new("veto_below", new RealForm(), "A completion that it gives less is vetoed, whatever the other rewards say. Left out: it vetoes nothing.");

        public static readonly Setting<VetoAction> OnVeto = new("on_veto", new ChoiceForm<VetoAction>(("drop", VetoAction.Drop), ("group_least", VetoAction.GroupLeast)),
            "A vetoed completion. drop: teaches nothing and enters no mean; group_least: gets the least reward of its group.")
        { Default = VetoAction.GroupLeast };

        public static readonly Section All = new("reward", "A reward function of the run.", [Name, Kind, Weight, Settings, SkipSpecialTokens, Objective, VetoBelow, OnVeto, Timeout, Retries]);
    }

    internal static class Evaluation
    {
        public static readonly Setting<string> Data = new("data", new TextForm("a data file"), "Held-out problems: prompt and whatever the reward asks for. Relative as a phase's data.") { Required = true, AlsoKnownAs = ["val_files", "eval_dataset", "test_files"] };

        public static readonly Setting<int> EvalSteps = new("eval_steps", Count(0), "Within grpo phases, every so many steps; 0: only at the start and the end of each grpo phase.")
        { Default = 0, Origin = NameOrigin.Transformers, Synonym = "every", AlsoKnownAs = ["test_freq", "eval_every", "eval_freq"] };

        public static readonly Setting<string> Reward = new("reward", new TextForm("the name of a reward"), "The reward that judges a greedy answer.") { DefaultInWords = "the first of rewards" };

        public static readonly Setting<double> Threshold = new("threshold", new RealForm(), "An answer that scores this much or more is right.") { Default = 1 };

        public static readonly Setting<int> MaxCompletionLength = new("max_completion_length", Count(1), "Longest answer, in tokens.") { DefaultInWords = "as in the last grpo phase", Origin = NameOrigin.Trl };

        public static readonly Section All = new("evaluation", "Greedy accuracy on held-out problems.", [Data, Rows.PromptColumn, Rows.AnswerColumn, Rows.PromptTemplate, EvalSteps, Reward, Threshold, MaxCompletionLength]);
    }

    internal static class Sentinels
    {
        private static readonly ChoiceForm<SentinelAction> StopOrRollBack = new(("stop", SentinelAction.Stop), ("rollback", SentinelAction.RollBack));

        public static readonly Setting<SentinelAction> NotFinite = new("not_finite", StopOrRollBack,
            "When the loss, the gradient or a watched metric is NaN or infinite. It cannot only be warned of: nothing can be learned from such a step.")
        { Default = SentinelAction.Stop };

        public static readonly SectionSetting Loss = new("loss", "The size of the loss, above threshold.", Sentinel.All);

        public static readonly SectionSetting GradNorm = new("grad_norm", "The global gradient norm before clipping, above threshold.", Sentinel.All);

        public static readonly SectionSetting Kl = new("kl", "The divergence from the reference in nats a token, above threshold; a phase without a KL term has none.", Sentinel.All);

        public static readonly SectionSetting EntropyCollapse = new("entropy_collapse", "The entropy in nats a token, below threshold.", Sentinel.All);

        public static readonly SectionSetting RewardCollapse = new("reward_collapse", "How far the smoothed mean reward (0.9 of the past, 0.1 of the step) has fallen below its best in this phase, above threshold.", Sentinel.All);

        public static readonly SectionSetting LengthBlowUp = new("length_blow_up", "The mean length of completions as a multiple of the phase's first step, above threshold.", Sentinel.All);

        public static readonly Setting<int> RollbackSteps = new("rollback_steps", Count(0),
            "A rollback returns to the newest of these: the phase's first version, and one every so many steps after it; 0: the first alone. Training waits until such a version's checkpoint is written.")
        { Default = 0 };

        public static readonly Setting<double> LearningRateFactor = new("learning_rate_factor", new RealForm(0, 1, aboveMin: true), "Every later learning rate is multiplied by this at each rollback.")
        { Default = 0.5 };

        public static readonly Setting<int> RollbacksMax = new("rollbacks_max", Count(1), "One more rollback than this ends the run.") { Default = 3 };

        public static readonly Section All = new("sentinels", "A sentinel that is left out is not watched. A step that trips one is judged before it is committed, by what the journal holds, so a resumed run judges alike. See docs/sentinels.md.",
            [NotFinite, Loss, GradNorm, Kl, EntropyCollapse, RewardCollapse, LengthBlowUp, RollbackSteps, LearningRateFactor, RollbacksMax]);
    }

    internal static class Balancer
    {
        public static readonly Setting<ImmutableSortedDictionary<string, double>> Targets = new("targets", new NumbersForm("an object of numbers"), "Wanted mean score by objective. One without a target keeps its weight.") { Required = true };

        public static readonly Setting<double> Rate = new("rate", new RealForm(0, 1, aboveMin: true, belowMax: true), "How fast: after each step an objective's factor becomes factor (1 + rate clamp(target - mean, -1, 1)).") { Default = 0.05 };

        public static readonly Setting<double> FactorMin = new("factor_min", new RealForm(0, 1), "Least factor.") { Default = 0.1 };

        public static readonly Setting<double> FactorMax = new("factor_max", new RealForm(1), "Largest factor.") { Default = 10 };

        public static readonly Section All = new("balancer", "Moves the weights of objectives towards targets. Without it they are fixed; adv_estimator gdpo normalises each reward by itself first. What it multiplied weights by follows from the journal, so that a resumed run goes on alike.",
            [Targets, Rate, FactorMin, FactorMax]);
    }

    internal static class Sentinel
    {
        public static readonly Setting<double> Threshold = new("threshold", new RealForm(), "Beyond it the sentinel trips; at it, it does not.") { Required = true };

        public static readonly Setting<SentinelAction> Policy = new("policy",
            new ChoiceForm<SentinelAction>(("warn", SentinelAction.Warn), ("rollback", SentinelAction.RollBack), ("stop", SentinelAction.Stop)),
            "warn: the step counts, and its metrics hold sentinel/NAME; rollback: return to an earlier checkpoint and go on with other prompts and a smaller learning rate; stop: end the run, exit code 1.")
        { Default = SentinelAction.Warn };

        public static readonly Section All = new("sentinel", "One thing that is watched.", [Threshold, Policy]);
    }

    internal static class Deadlines
    {
        public static readonly Setting<TimeSpan> Ticket = new("ticket", new DurationForm(), "A generator that reports no progress.") { Default = TimeSpan.FromMinutes(2), Part = SettingPart.Operation };

        public static readonly Setting<TimeSpan> Training = new("training", new DurationForm(), "The trainer with one step.") { Default = TimeSpan.FromHours(1), Part = SettingPart.Operation };

        public static readonly Setting<TimeSpan> Checkpoint = new("checkpoint", new DurationForm(), "Writing a checkpoint.") { Default = TimeSpan.FromMinutes(10), Part = SettingPart.Operation };

        public static readonly Setting<TimeSpan> Evaluation = new("evaluation", new DurationForm(), "One evaluation.") { Default = TimeSpan.FromHours(1), Part = SettingPart.Operation };

        public static readonly Setting<int> AskedMax = new("asked_max", Count(1), "So often a piece of work is asked for while nothing comes of anything; then the run stops, its state intact, and says what it waits for.")
        { Default = DeadlinePlan.UsualAskedMax, Part = SettingPart.Operation };

        public static readonly Section All = new("deadlines", "Silence after which work is issued again.", [Ticket, Training, Checkpoint, Evaluation, AskedMax]);
    }

    /// <summary>What <c>lr_scheduler_kwargs</c> may hold for a schedule.</summary>
    public static string[] ScheduleSettings(string schedule) => schedule switch
    {
        "cosine" => ["num_cycles"],
        "cosine_with_min_lr" => ["num_cycles", "min_lr", "min_lr_rate"],
        "cosine_with_restarts" => ["num_cycles"],
        "polynomial" => ["power", "lr_end"],
        "warmup_stable_decay" => ["num_decay_steps", "min_lr_ratio", "num_cycles"],
        "inverse_sqrt" => ["timescale"],
        _ => [],
    };

    /// <summary>Every section, in the order of the reference.</summary>
    public static ImmutableArray<(string Path, Section Section)> Sections { get; } =
    [
        ("", Run.All), ("model", Model.All), ("model.tokenizer", Tokenizer.All), ("model.chat", Chat.All), ("phases.NAME", Phase.Common), ("phases.NAME", Phase.Sft), ("phases.NAME", Phase.Grpo), ("phases.NAME", ObjectiveSchema.All),
        ("rewards.NAME", Reward.All), ("balancer", Balancer.All), ("evaluation", Evaluation.All),
        ("sentinels", Sentinels.All), ("sentinels.NAME", Sentinel.All), ("deadlines", Deadlines.All),
    ];

    /// <summary>The sections that have a key of this name: "a phase, an evaluation"; empty if there are none.</summary>
    public static string HomesOf(string key) =>
        string.Join(", ", Sections.Where(home => home.Section[key] is not null).Select(home => home.Path.Length == 0 ? "the top of the run file" : home.Path).Distinct());
}
