using System.Collections.Immutable;
using GrpoActors.Core.Schedules;
using Keys = GrpoActors.Core.Plans.RunSchema;

namespace GrpoActors.Core.Plans;

/// <summary>Options and facts in; a plan, or every mistake, out.</summary>
internal sealed class PlanReader(RunOptions options, IPlanFacts facts)
{
    private readonly Findings _findings = new();
    private readonly List<string> _warnings = [];
    private readonly List<(SectionReader Section, Setting<string> Setting, string Path, string Column)> _unanswered = [];
    private readonly HashSet<string> _comparing = [];
    private ModelOptions? _model;

    public PlanResult Read()
    {
        _findings.Errors.AddRange(options.Errors);
        RunPlan? plan = options.Root is null ? null : Run(new SectionReader("", options.Root, _findings, [Keys.Run.All]));
        return new PlanResult(_findings.Errors.Count == 0 ? plan : null, [.. _findings.Errors], [.. _findings.Values], [.. _warnings]);
    }

    private RunPlan Run(SectionReader run)
    {
        _findings.Dialect = run.Get(Keys.Run.Dialect); // first: other defaults depend on it
        ulong seed = run.Get(Keys.Run.Seed);
        string engine = run.Get(Keys.Run.Engine);
        var device = new DevicePlan(run.Get(Keys.Run.Device), run.Get(Keys.Run.Dtype), run.Get(Keys.Run.LibTorch) is { } folder ? AtHome(folder) : null);
        int threads = run.Get(Keys.Run.Threads);
        EngineFacts? engineFacts = run.Sound(Keys.Run.Engine) ? run.Learn(Keys.Run.Engine, facts.Engine(engine, device, threads)) : null;
        var order = new OrderPlan(run.Get(Keys.Run.Order), run.Get(Keys.Run.Lag), run.Get(Keys.Run.EmptyStepsMax));
        RewardFailure onFailure = run.Get(Keys.Run.OnRewardFailure);
        var (source, model) = Model(run, seed);
        ImmutableArray<PhasePlan> phases = Phases(run, order, model);
        ImmutableArray<RewardPlan> rewards = Rewards(run, phases);
        EvaluationPlan? evaluation = run.Has(Keys.Run.Evaluation) ? Evaluation(run.Section(Keys.Run.Evaluation), phases, rewards, model) : null;
        var identity = new RunIdentity(
            seed, engine, engineFacts?.NumericsRevision ?? "", source, model?.StartingWeights ?? default, model?.Tokenizer ?? default,
            order, phases, rewards, evaluation, onFailure, run.Has(Keys.Run.Sentinels) ? Sentinels(run.Section(Keys.Run.Sentinels), phases) : null,
            run.Has(Keys.Run.Balancer) ? Balancer(run.Section(Keys.Run.Balancer), rewards) : null);
        return new RunPlan(identity, Operation(run, threads) with { Device = device });
    }

    private SentinelPlan Sentinels(SectionReader sentinels, ImmutableArray<PhasePlan> phases)
    {
        (SectionSetting Setting, SentinelKind Kind)[] watched =
        [
            (Keys.Sentinels.Loss, SentinelKind.Loss), (Keys.Sentinels.GradNorm, SentinelKind.GradNorm), (Keys.Sentinels.Kl, SentinelKind.Kl),
            (Keys.Sentinels.EntropyCollapse, SentinelKind.EntropyCollapse), (Keys.Sentinels.RewardCollapse, SentinelKind.RewardCollapse), (Keys.Sentinels.LengthBlowUp, SentinelKind.LengthBlowUp),
        ];
        var rules = ImmutableArray.CreateBuilder<SentinelRule>();
        foreach (var (setting, kind) in watched.Where(sentinel => sentinels.Has(sentinel.Setting)))
        {
            SectionReader rule = sentinels.Section(setting);
            rules.Add(new SentinelRule(kind, rule.Get(Keys.Sentinel.Threshold), rule.Get(Keys.Sentinel.Policy)));
        }

        if (sentinels.Has(Keys.Sentinels.Kl) && !phases.Any(phase => phase.NeedsReference))
        {
            _warnings.Add($"{sentinels.KeyOf(Keys.Sentinels.Kl)} never trips: no phase has a KL term (beta is 0).");
        }

        return new SentinelPlan(
            sentinels.Get(Keys.Sentinels.NotFinite), rules.ToImmutable(), sentinels.Get(Keys.Sentinels.RollbackSteps),
            sentinels.Get(Keys.Sentinels.LearningRateFactor), sentinels.Get(Keys.Sentinels.RollbacksMax));
    }

    private RunOperation Operation(SectionReader run, int threads)
    {
        string folder = run.Get(Keys.Run.RunDir, $"runs/{options.Name}", "from the run file's name");
        var operation = new RunOperation(
            AtHome(folder), run.Get(Keys.Run.Generators), run.Get(Keys.Run.Scorers), threads, run.Get(Keys.Run.GroupsPerTicket),
            run.Get(Keys.Run.MicroBatchTokens), run.Get(Keys.Run.SaveSteps), run.Get(Keys.Run.SamplesSteps),
            new DeadlinePlan(default, default, default, default), run.Get(Keys.Run.WorkerRestartsMax), run.Get(Keys.Run.Journal) is { } journal ? AtHome(journal) : null, run.Get(Keys.Run.GradientCheckpointing),
            new RetentionPlan(run.Get(Keys.Run.SaveTotalLimit), run.Get(Keys.Run.SaveBest), run.Get(Keys.Run.JournalSteps)), run.Get(Keys.Run.RewardFailuresMax));
        SectionReader deadlines = run.Section(Keys.Run.Deadlines);
        return operation with
        {
            Deadlines = new DeadlinePlan(
                deadlines.Get(Keys.Deadlines.Ticket), deadlines.Get(Keys.Deadlines.Training),
                deadlines.Get(Keys.Deadlines.Checkpoint), deadlines.Get(Keys.Deadlines.Evaluation), deadlines.Get(Keys.Deadlines.AskedMax)),
        };
    }

    private (ModelSource Source, ModelFacts? Facts) Model(SectionReader run, ulong seed)
    {
        if (!run.Has(Keys.Run.Model))
        {
            run.Wrong(Keys.Run.Model, "is missing.", "Give model.path, a Hugging Face folder, or model.config and model.tokenizer for a random start.");
            return (new ModelSource(null, null, null), null);
        }

        int errorsBefore = _findings.Errors.Count;
        SectionReader model = run.Section(Keys.Run.Model);
        string? path = model.Get(Keys.Model.Path) is { } written ? Resolve(model, Keys.Model.Path, written) : null;
        string? config = model.Get(Keys.Model.Config);
        bool random = model.Has(Keys.Model.Config), folder = model.Has(Keys.Model.Path);
        if (random == folder)
        {
            run.Wrong(Keys.Run.Model, random ? "has both path and config." : "has neither path nor config.", "Give one: path, a Hugging Face folder, or config for a random start.");
        }

        TokenizerOptions? tokenizer = null;
        if (model.Has(Keys.Model.Tokenizer))
        {
            tokenizer = Tokenizer(model.Section(Keys.Model.Tokenizer));
            if (folder)
            {
                model.Wrong(Keys.Model.Tokenizer, "is given beside path.", "Remove it: the folder has its tokenizer.json.");
            }
        }
        else if (random)
        {
            model.Wrong(Keys.Model.Tokenizer, "is missing: a model that starts at random has none of its own.", "Give { \"characters\": \"0123456789+-= \" }.");
        }

        ChatOptions? chat = model.Has(Keys.Model.Chat) ? Chat(model.Section(Keys.Model.Chat)) : null;
        if (_findings.Errors.Count > errorsBefore)
        {
            return (new ModelSource(path, config, null), null);
        }

        var asked = new ModelOptions(path, config, tokenizer, chat);
        ModelFacts? known = LearnModel(model, folder ? Keys.Model.Path : Keys.Model.Config, facts.Model(asked, seed));
        if (known is not null && known.ChatTemplate is null && chat is not null)
        {
            model.Wrong(Keys.Model.Chat, "is given, but the model has no chat template.", "Give chat.chat_template_path, or remove it.");
        }

        _warnings.AddRange((known?.Warnings ?? []).Select(warning => $"{model.KeyOf(folder ? Keys.Model.Path : Keys.Model.Config)}: {warning}"));
        _model = known is null ? null : asked;
        ChatPlan? rendering = known?.ChatTemplate is { } template
            ? new ChatPlan(template, chat?.Variables ?? "{}", chat?.ApplyToPrompts ?? false, chat?.System, chat?.TemplatePath)
            : null;
        return (new ModelSource(path, known?.Config, rendering, tokenizer), known);
    }

    // What is wrong with the template file is said of its key; the rest is about the model.
    private static ModelFacts? LearnModel(SectionReader model, Setting source, Finding<ModelFacts> fact)
    {
        if (fact.Errors.FirstOrDefault(error => error.Key == ModelOptions.ChatTemplateKey) is { } template)
        {
            model.Section(Keys.Model.Chat).Wrong(Keys.Chat.TemplatePath, template.Problem, template.Fix);
        }

        return model.Learn(source, fact with { Errors = [.. fact.Errors.Where(error => error.Key != ModelOptions.ChatTemplateKey)] });
    }

    private ChatOptions Chat(SectionReader chat) => new(
        chat.Get(Keys.Chat.TemplatePath) is { } written ? Resolve(chat, Keys.Chat.TemplatePath, written) : null,
        chat.Get(Keys.Chat.ApplyToPrompts), chat.Get(Keys.Chat.System), chat.Get(Keys.Chat.Variables));

    private static TokenizerOptions Tokenizer(SectionReader tokenizer)
    {
        tokenizer.Get(Keys.Tokenizer.Kind);
        return new TokenizerOptions(
            tokenizer.Get(Keys.Tokenizer.Characters), tokenizer.Get(Keys.Tokenizer.PadToken), tokenizer.Get(Keys.Tokenizer.BosToken),
            tokenizer.Get(Keys.Tokenizer.EosToken), tokenizer.Get(Keys.Tokenizer.WholeTokens));
    }

    private ImmutableArray<PhasePlan> Phases(SectionReader run, OrderPlan order, ModelFacts? model)
    {
        var items = run.Items(Keys.Run.Phases);
        if (items.Count == 0 && run.Sound(Keys.Run.Phases))
        {
            run.Wrong(Keys.Run.Phases, run.Has(Keys.Run.Phases) ? "is empty." : "is missing.", "Give at least one: [{ \"name\": \"grpo\", \"kind\": \"grpo\", ... }].");
        }

        Twice(run, Keys.Run.Phases, items);
        return [.. items.Select(item => Phase(item.Path, item.Node, order, model))];
    }

    private PhasePlan Phase(string path, ConfigNode node, OrderPlan order, ModelFacts? model)
    {
        bool known = Keys.Phase.Kind.Form.TryRead((node as ConfigNode.Map)?[Keys.Phase.Kind.Key] ?? new ConfigNode.Map([], default), out PhaseKind kind);
        SectionReader phase = known
            ? new(path, node, _findings, [Keys.Phase.Common, .. Keys.Phase.Of(kind)], [.. Keys.Phase.Of(kind == PhaseKind.Sft ? PhaseKind.Grpo : PhaseKind.Sft)])
            : new(path, node, _findings, [Keys.Phase.Common, .. Keys.Phase.Of(PhaseKind.Sft), .. Keys.Phase.Of(PhaseKind.Grpo)]);
        string name = phase.Get(Keys.Phase.Name);
        kind = phase.Get(Keys.Phase.Kind);
        int steps = phase.Get(Keys.Phase.Steps);
        DataColumns columns = Columns(phase);
        bool reset = phase.Get(Keys.Phase.ResetOptimizer);
        LearningRateSchedule schedule = Schedule(phase, steps);
        var optimizer = new OptimizerPlan(
            phase.Get(Keys.Phase.AdamBeta1), phase.Get(Keys.Phase.AdamBeta2), phase.Get(Keys.Phase.AdamEpsilon),
            phase.Get(Keys.Phase.WeightDecay), phase.Get(Keys.Phase.MaxGradNorm));
        GroupPlan? group = known && kind == PhaseKind.Grpo ? Group(phase, order, model) : null;
        int examples = known && kind == PhaseKind.Sft ? phase.Get(Keys.Phase.ExamplesPerStep) : 0;
        int promptMax = PromptMax(phase, group, model);
        OverlongPrompts overlong = phase.Get(Keys.Phase.OverlongPrompts);
        DataPlan data = Data(phase, Keys.Phase.Data, kind == PhaseKind.Sft ? DataUse.Examples : DataUse.Prompts, columns, promptMax, overlong);
        return new PhasePlan(name, kind, steps, data, reset, schedule, optimizer, examples, group);
    }

    private LearningRateSchedule Schedule(SectionReader phase, int steps)
    {
        string kind = phase.Get(Keys.Phase.Schedule);
        double learningRate = phase.Get(Keys.Phase.LearningRate);
        int warmup = phase.Get(Keys.Phase.WarmupSteps);
        var more = phase.Get(Keys.Phase.ScheduleSettings);
        if (phase.Sound(Keys.Phase.Schedule, Keys.Phase.WarmupSteps, Keys.Phase.ScheduleSettings))
        {
            CheckSchedule(phase, kind, steps, warmup, learningRate, more);
        }

        double? Number(string name) => more.TryGetValue(name, out double value) ? value : null;
        int? Steps(string name) => Number(name) is { } value ? (int)Math.Clamp(value, 0, int.MaxValue) : null;
        return new LearningRateSchedule
        {
            Kind = kind,
            LearningRate = learningRate,
            WarmupSteps = warmup,
            TotalSteps = steps,
            NumCycles = Number("num_cycles"),
            MinLr = Number("min_lr"),
            MinLrRate = Number("min_lr_rate") ?? Number("min_lr_ratio"),
            Power = Number("power") ?? 1,
            LrEnd = Number("lr_end") ?? 1e-7,
            NumDecaySteps = Steps("num_decay_steps"),
            Timescale = Steps("timescale"),
        };
    }

    private void CheckSchedule(SectionReader phase, string kind, int steps, int warmup, double peak, ImmutableSortedDictionary<string, double> more)
    {
        if (kind == "constant" && warmup > 0)
        {
            phase.Wrong(Keys.Phase.WarmupSteps, $"is {warmup}, which lr_scheduler_type constant ignores.", "Use constant_with_warmup, or remove it.");
        }
        else if (phase.Sound(Keys.Phase.Steps) && warmup > steps)
        {
            _warnings.Add($"{phase.Path}: warmup_steps ({warmup}) exceed the phase's steps ({steps}), so the learning rate never reaches its peak.");
        }

        if (kind == "cosine_with_min_lr" && more.ContainsKey("min_lr") == more.ContainsKey("min_lr_rate"))
        {
            phase.Wrong(
                Keys.Phase.ScheduleSettings, $"has {(more.ContainsKey("min_lr") ? "both" : "neither")} min_lr {(more.ContainsKey("min_lr") ? "and" : "nor")} min_lr_rate, and lr_scheduler_type {kind} needs one of them.",
                "Give the lowest rate, { \"min_lr\": 1e-7 }, or its share of learning_rate, { \"min_lr_rate\": 0.1 }.");
        }
        else if (kind == "polynomial" && phase.Sound(Keys.Phase.LearningRate) && (more.TryGetValue("lr_end", out double end) ? end : 1e-7) is var lowest && lowest >= peak)
        {
            phase.Wrong(Keys.Phase.ScheduleSettings, $"has lr_end {RealForm.Number(lowest)}{(more.ContainsKey("lr_end") ? "" : " by default")}, which is not below learning_rate ({RealForm.Number(peak)}).", "Lower lr_end.");
        }

        string[] takes = Keys.ScheduleSettings(kind);
        foreach (var (name, value) in more)
        {
            if (!takes.Contains(name))
            {
                phase.Wrong(
                    Keys.Phase.ScheduleSettings, $"has {name}, which lr_scheduler_type {kind} does not know.",
                    takes.Length == 0 ? "Remove it." : $"It knows {string.Join(", ", takes)}.");
            }
            else if (value < 0 || (name is "num_decay_steps" or "timescale" && value != Math.Floor(value)))
            {
                phase.Wrong(Keys.Phase.ScheduleSettings, $"has {name} {RealForm.Number(value)}.", name is "num_decay_steps" or "timescale" ? "Expected a whole number, 0 or more." : "Expected 0 or more.");
            }
        }
    }

    private GroupPlan Group(SectionReader phase, OrderPlan order, ModelFacts? model)
    {
        int groups = phase.Get(Keys.Phase.GroupsPerStep), generations = phase.Get(Keys.Phase.NumGenerations), completionMax = phase.Get(Keys.Phase.MaxCompletionLength);
        var sampling = new SamplingPlan(
            phase.Get(Keys.Phase.Temperature), phase.Get(Keys.Phase.TopK), phase.Get(Keys.Phase.TopP), phase.Get(Keys.Phase.MinP),
            phase.Get(Keys.Phase.RepetitionPenalty), phase.Get(Keys.Phase.StopStrings), model?.EosTokens ?? []);
        var group = new GroupPlan(
            groups, generations, completionMax, sampling, phase.Get(Keys.Phase.NumIterations), phase.Get(Keys.Phase.MiniBatches),
            ObjectiveReader.Read(phase, _findings.Dialect, completionMax), 0, RefillExhausted.TrainWhatThereIs,
            phase.Get(Keys.Phase.DropZeroSpread), phase.Get(Keys.Phase.KeepUnscorable), phase.Get(Keys.Phase.PrefixSharing),
            phase.Get(Keys.Phase.MaskTruncatedCompletions), phase.Get(Keys.Phase.MaxNumGenBatches));
        group = group with { RefillRounds = phase.Get(Keys.Phase.Refill), RefillExhausted = phase.Get(Keys.Phase.OnRefillExhausted) };
        CheckMiniBatches(phase, group);
        CheckRefill(phase, group, order);
        if (model is not null && phase.Sound(Keys.Phase.MaxCompletionLength) && completionMax >= model.ContextLength)
        {
            phase.Wrong(Keys.Phase.MaxCompletionLength, $"is {completionMax}, which leaves no room for a prompt in the model's context of {model.ContextLength} tokens.", $"Try at most {model.ContextLength / 2}.");
        }

        if (sampling is not { TopK: 0, TopP: 1, MinP: 0, RepetitionPenalty: 1 })
        {
            _warnings.Add($"{phase.Path}: with top_k, top_p, min_p or repetition_penalty on, the ratio no longer measures the distribution that completions are drawn from; sampling/kept_mass says how far.");
        }

        return group;
    }

    private static void CheckMiniBatches(SectionReader phase, GroupPlan group)
    {
        int groups = group.GroupsPerStep, slices = group.MiniBatches;
        if (!phase.Sound(Keys.Phase.GroupsPerStep, Keys.Phase.MiniBatches) || groups % slices == 0)
        {
            return;
        }

        int below = Enumerable.Range(1, Math.Min(slices, groups)).Last(n => groups % n == 0);
        int above = slices > groups ? below : Enumerable.Range(slices, groups - slices + 1).First(n => groups % n == 0);
        phase.Wrong(
            Keys.Phase.MiniBatches, $"is {slices}, which does not divide groups_per_step ({groups}).",
            below == above ? $"Try {below}." : $"Try {below} or {above}.");
    }

    private static void CheckRefill(SectionReader phase, GroupPlan group, OrderPlan order)
    {
        if (!phase.Sound(Keys.Phase.Refill, Keys.Phase.DropZeroSpread, Keys.Phase.KeepUnscorable) || group.RefillRounds == 0)
        {
            return;
        }

        if (order.Kind == OrderKind.Arrival)
        {
            phase.Wrong(Keys.Phase.Refill, $"is {group.RefillRounds}, but in order arrival a step takes the first kept groups anyway.", "Remove it, or use order canonical.");
        }
        else if (group is { DropZeroSpread: false, KeepUnscorable: true })
        {
            phase.Wrong(Keys.Phase.Refill, $"is {group.RefillRounds}, but no group is ever dropped: drop_zero_spread is false and keep_unscorable true.", "Set drop_zero_spread to true, or remove refill.");
        }
    }

    private static int PromptMax(SectionReader phase, GroupPlan? group, ModelFacts? model)
    {
        int room = Math.Max(1, (model?.ContextLength ?? int.MaxValue) - (group?.MaxCompletionLength ?? 1));
        int promptMax = phase.Get(Keys.Phase.MaxPromptLength, room, "the context less the completion");
        if (model is not null && promptMax > room && phase.Sound(Keys.Phase.MaxPromptLength, Keys.Phase.MaxCompletionLength))
        {
            string completion = group is null ? "one token of an answer" : $"max_completion_length ({group.MaxCompletionLength})";
            phase.Wrong(Keys.Phase.MaxPromptLength, $"is {promptMax}, which with {completion} exceeds the model's context of {model.ContextLength} tokens.", $"Try at most {room}.");
        }

        return promptMax;
    }

    private ImmutableArray<RewardPlan> Rewards(SectionReader run, ImmutableArray<PhasePlan> phases)
    {
        var items = run.Items(Keys.Run.Rewards);
        Twice(run, Keys.Run.Rewards, items);
        if (items.Count == 0 && run.Sound(Keys.Run.Rewards) && phases.FirstOrDefault(phase => phase.Kind == PhaseKind.Grpo) is { } needs)
        {
            run.Wrong(Keys.Run.Rewards, run.Has(Keys.Run.Rewards) ? "is empty." : "is missing.", $"Phase {needs.Name} needs at least one reward function.");
        }

        ImmutableArray<RewardPlan> rewards = [.. items.Select(item => Reward(new SectionReader(item.Path, item.Node, _findings, [Keys.Reward.All]), phases))];
        if (rewards.Length > 0 && rewards.All(reward => reward.Weight == 0))
        {
            run.Wrong(Keys.Run.Rewards, "have no weight: all are 0.", "Give at least one a weight.");
        }

        if (rewards.FirstOrDefault(reward => _comparing.Contains(reward.Name)) is { } compares)
        {
            _unanswered.ForEach(rows => NoAnswers(rows, compares.Name));
        }

        return rewards;
    }

    private static BalancerPlan Balancer(SectionReader balancer, ImmutableArray<RewardPlan> rewards)
    {
        var targets = balancer.Get(Keys.Balancer.Targets) ?? ImmutableSortedDictionary<string, double>.Empty;
        string[] objectives = [.. rewards.Select(reward => reward.ObjectiveName).Distinct(StringComparer.Ordinal)];
        if (targets.Keys.FirstOrDefault(name => !objectives.Contains(name)) is { } unknown)
        {
            balancer.Wrong(Keys.Balancer.Targets, $"names \"{unknown}\", which is the objective of no reward.", NearestName.Of(unknown, objectives) is { } near ? $"Did you mean {near}?" : $"There are {string.Join(", ", objectives)}.");
        }

        return new BalancerPlan(targets, balancer.Get(Keys.Balancer.Rate), balancer.Get(Keys.Balancer.FactorMin), balancer.Get(Keys.Balancer.FactorMax));
    }

    private static VetoPlan? Veto(SectionReader reward, ImmutableArray<PhasePlan> phases)
    {
        if (!reward.Has(Keys.Reward.VetoBelow))
        {
            if (reward.Has(Keys.Reward.OnVeto))
            {
                reward.Wrong(Keys.Reward.OnVeto, "says what a veto does, and nothing is vetoed: veto_below is missing.", "Set veto_below too, or remove it.");
            }

            return null;
        }

        var veto = new VetoPlan(reward.Get(Keys.Reward.VetoBelow), reward.Get(Keys.Reward.OnVeto));
        if (veto.Action == VetoAction.GroupLeast && phases.Any(phase => phase.Group is { Objective.Advantages.Estimator: Advantages.AdvantageEstimator.Gdpo }))
        {
            reward.Wrong(Keys.Reward.OnVeto, "is group_least, and adv_estimator gdpo normalises each reward by itself: there is no least of their sum.", "Use drop.");
        }

        return veto;
    }

    private static void NoAnswers((SectionReader Section, Setting<string> Setting, string Path, string Column) rows, string reward) => rows.Section.Wrong(
        rows.Setting, $"is \"{rows.Path}\", in which no row has a column \"{rows.Column}\", and reward \"{reward}\" compares with it.", "Set answer_column to the column that holds the answer.");

    private RewardPlan Reward(SectionReader reward, ImmutableArray<PhasePlan> phases)
    {
        string kind = reward.Get(Keys.Reward.Kind);
        string name = reward.Get(Keys.Reward.Name, kind, "the kind");
        double weight = reward.Get(Keys.Reward.Weight);
        string settings = reward.Get(Keys.Reward.Settings);
        RewardFacts? known = reward.Sound(Keys.Reward.Kind, Keys.Reward.Settings) ? LearnReward(reward, kind, settings) : null;
        if (known is { NeedsAnswer: true })
        {
            _comparing.Add(name);
        }

        if (known?.Objection is { } objection)
        {
            _warnings.Add($"{reward.KeyOf(Keys.Reward.Settings)} {objection}; on this machine every call fails.");
        }

        if (known is { Warnings.IsDefaultOrEmpty: false })
        {
            _warnings.AddRange(known.Warnings.Select(warning => $"{reward.KeyOf(Keys.Reward.Settings)}.{warning}"));
        }

        return new RewardPlan(name, kind, known?.Revision ?? 0, weight, settings, reward.Get(Keys.Reward.Timeout), reward.Get(Keys.Reward.Retries),
            reward.Has(Keys.Reward.Objective) ? reward.Get(Keys.Reward.Objective) : null, Veto(reward, phases), !reward.Get(Keys.Reward.SkipSpecialTokens));
    }

    // What is wrong with the kind is said of the kind; the rest is about the settings.
    private RewardFacts? LearnReward(SectionReader reward, string kind, string settings)
    {
        Finding<RewardFacts> fact = facts.Reward(kind, settings);
        bool ofKind = fact.Errors.Any(error => error.Key.Length == 0);
        return reward.Learn(ofKind ? Keys.Reward.Kind : Keys.Reward.Settings, fact);
    }

    private EvaluationPlan Evaluation(SectionReader evaluation, ImmutableArray<PhasePlan> phases, ImmutableArray<RewardPlan> rewards, ModelFacts? model)
    {
        DataColumns columns = Columns(evaluation);
        int every = evaluation.Get(Keys.Evaluation.EvalSteps);
        string reward = evaluation.Get(Keys.Evaluation.Reward, rewards.Length > 0 ? rewards[0].Name : "", "the first reward");
        if (evaluation.Sound(Keys.Evaluation.Reward) && rewards.All(known => known.Name != reward))
        {
            string[] names = [.. rewards.Select(known => known.Name)];
            evaluation.Wrong(
                Keys.Evaluation.Reward, rewards.Length == 0 ? "judges answers, but there are no rewards." : $"is \"{reward}\", which is none of rewards.",
                NearestName.Of(reward, names) is { } near ? $"Did you mean {near}?" : names.Length > 0 ? $"There are {string.Join(", ", names)}." : "Add one.");
        }

        double threshold = evaluation.Get(Keys.Evaluation.Threshold);
        GroupPlan? last = phases.LastOrDefault(phase => phase.Group is not null)?.Group;
        int completionMax = evaluation.Get(Keys.Evaluation.MaxCompletionLength, last?.MaxCompletionLength ?? 1, "as in the last grpo phase");
        _unanswered.Clear();
        if (last is null)
        {
            _findings.Errors.Add(new(evaluation.Path, "is set, but no phase is of kind grpo: it takes place at their starts and ends.", "Remove it.", evaluation.Source));
        }

        int room = Math.Max(1, (model?.ContextLength ?? int.MaxValue) - completionMax);
        if (model is not null && completionMax >= model.ContextLength && evaluation.Has(Keys.Evaluation.MaxCompletionLength))
        {
            evaluation.Wrong(Keys.Evaluation.MaxCompletionLength, $"is {completionMax}, which leaves no room for a prompt in the model's context of {model.ContextLength} tokens.", $"Try at most {model.ContextLength / 2}.");
        }

        DataPlan data = Data(evaluation, Keys.Evaluation.Data, DataUse.Prompts, columns, room, OverlongPrompts.Refuse);
        if (_comparing.Contains(reward))
        {
            _unanswered.ForEach(rows => NoAnswers(rows, reward));
        }

        return new EvaluationPlan(data, every, reward, threshold, completionMax);
    }

    private static DataColumns Columns(SectionReader section) =>
        new(section.Get(Keys.Rows.PromptColumn), section.Get(Keys.Rows.AnswerColumn), section.Get(Keys.Rows.PromptTemplate));

    private DataPlan Data(SectionReader section, Setting<string> setting, DataUse use, DataColumns columns, int promptMax, OverlongPrompts overlong)
    {
        string path = section.Get(setting);
        if (!section.Sound(setting))
        {
            return new DataPlan(path, 0, default, promptMax, overlong, columns);
        }

        path = Resolve(section, setting, path);
        DataFacts? data = section.Learn(setting, facts.Data(new DataOptions(path, use, columns, promptMax, overlong), _model));
        _warnings.AddRange((data?.Warnings ?? []).Select(warning => $"{section.KeyOf(setting)}: {warning}"));
        if (data?.Rows == 0)
        {
            section.Wrong(setting, $"is {path}, which has no rows{(overlong == OverlongPrompts.Filter ? " of at most max_prompt_length tokens" : "")}.", "Expected one JSON object a line.");
        }

        if (data is { Rows: > 0, Answers: 0 })
        {
            _unanswered.Add((section, setting, path, columns.Answer));
        }

        return new DataPlan(path, data?.Rows ?? 0, data?.Sha256 ?? default, promptMax, overlong, columns);
    }

    // Paths in the run file are relative to it, so that it can be used from anywhere; typed ones are relative to where they are typed.
    private string Resolve(SectionReader section, Setting setting, string path) =>
        Path.Combine(section.SourceOf(setting).Kind == SourceKind.File ? options.Folder : "", AtHome(path));

    private string AtHome(string path) =>
        options.Home.Length > 0 && (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) ? options.Home + path[1..] : path;

    private void Twice(SectionReader run, SectionSetting list, IReadOnlyList<(string Path, ConfigNode Node)> items)
    {
        foreach (var same in items.GroupBy(item => item.Path).Where(group => group.Count() > 1))
        {
            string lines = string.Join(" and ", same.Select(item => item.Node.Source));
            _findings.Errors.Add(new(same.Key, $"is the name of {same.Count()} of {run.KeyOf(list)} ({lines}).", "Give each a name of its own.", same.Last().Node.Source));
        }
    }
}
