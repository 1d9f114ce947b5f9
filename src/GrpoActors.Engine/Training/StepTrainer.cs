using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Prompts;
using GrpoActors.Core.Runs;

namespace GrpoActors.Engine.Training;

/// <summary>A worked example of an sft step: the prompt, then the answer that is learned.</summary>
/// <param name="FirstTarget">Number of prompt tokens; every later token is learned. >= 1.</param>
public readonly record struct WorkedExample(int[] Tokens, int FirstTarget);

/// <summary>Nothing was learned from a step because a number in it was not finite. The trainer's weights may lie between two updates of the step: restore before going on.</summary>
public sealed class StepFailedException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>Runs one step on any trainer. A function of the batch, the plan and the trainer's state alone.</summary>
/// <remarks>
/// <code>
/// step = num_iterations passes x mini_batches slices (one optimiser update each) x micro-batches (token budget) of units (completions that share their prompt)
/// </code>
/// Normalisers are those of the whole mini-batch, so the cut into micro-batches changes nothing. With several mini-batches the order of the groups is a
/// keyed permutation (seed, step, pass); with one, it is the batch's own. Not thread-safe.
/// After a cancellation or a failure in the middle of a step the trainer must be restored.
/// </remarks>
/// <param name="microBatchTokens">Token budget of one forward and backward pass; a sequence longer than this goes alone.</param>
public sealed class StepTrainer(ITrainer trainer, SeedTree seeds, int microBatchTokens)
{
    private readonly TokenBuffers _buffers = new();

    /// <summary>Trains the rows of a grpo batch.</summary>
    /// <param name="prompts">Prompt tokens of a data row.</param>
    /// <param name="policy">Digest of the version that this step starts from.</param>
    /// <param name="rewardNames">In the plan's order; names of the metrics.</param>
    /// <exception cref="StepFailedException">A number is not finite; the sentence names the group and the completion.</exception>
    public StepOutputs Train(TrainingBatch batch, PhasePlan phase, Func<long, int[]> prompts, Digest policy, IReadOnlyList<string> rewardNames, CancellationToken cancellation)
    {
        StepInputs inputs = batch.Inputs;
        GroupPlan plan = phase.Groups;
        ObjectivePlan objective = plan.Objective.With(inputs.Adaptive.KlCoefficient, AppliedEntropyCoefficient(plan.Objective, inputs.Adaptive));
        bool verl = objective.Dialect == Dialect.Verl;
        var metrics = new StepMetrics(verl);
        metrics.AddBatch(batch, rewardNames);
        if (batch.Rows.Sum(row => row.Completion.Tokens.Length) == 0)
        {
            return Empty(batch, policy, metrics);
        }

        var rows = new StepRows(batch.Rows, prompts, plan);
        Run run = new(objective, rows, phase.Optimizer, inputs.LearningRate, metrics, cancellation);
        ScoreBeforeTheStep(run);
        double rewardKl = FinishAdvantages(objective, rows, metrics);
        if (rows.HasNoAdvantage)
        {
            metrics.Set(StepOutputs.NoAdvantage, 1);
        }

        if (verl)
        {
            metrics.AddVerlBatch(rows, inputs, plan.MaxCompletionLength);
        }

        Digest? update = null;
        uint updates = 0;
        for (int pass = 0; pass < plan.NumIterations; pass++)
        {
            int[] order = RowOrder(rows, inputs, pass, plan.MiniBatches, out int[] sliceStarts);
            for (int slice = 0; slice < plan.MiniBatches; slice++)
            {
                ReadOnlySpan<int> sliceRows = order.AsSpan(sliceStarts[slice], sliceStarts[slice + 1] - sliceStarts[slice]);
                Run keyed = objective.Surrogate is Surrogate.ClipCov draw
                    ? run with { Objective = objective with { Surrogate = draw with { Seed = seeds.TokenDraw(inputs.Phase, inputs.Step, updates++) } } }
                    : run;
                update = TrainSlice(keyed, sliceRows, isFirst: update is null) ?? update;
            }
        }

        if (update is not { } weights)
        {
            return Empty(batch, policy, metrics);
        }

        return new StepOutputs(Empty: false, batch.Digest, weights, policy.Then(weights), metrics.Merged(),
            Next(objective, inputs.Adaptive, objective.KlInReward is null ? metrics.MeanKl : rewardKl, metrics.MeanEntropy, batch.Rows.Length));
    }

    /// <summary>An adaptive bonus rests while the step before had more entropy than its target.</summary>
    private static double AppliedEntropyCoefficient(ObjectivePlan objective, AdaptiveState now) =>
        objective.AdaptiveEntropy is { } rule ? rule.Applied(Entropy(now)) : now.EntropyCoefficient;

    /// <summary>The coefficients of the next step. They enter the ledger: nothing here may depend on the cut into micro-batches.</summary>
    /// <remarks>They move once a step, whatever its updates; TRL and verl move them with each.</remarks>
    private static AdaptiveState Next(ObjectivePlan objective, AdaptiveState now, double meanKl, double meanEntropy, int completions)
    {
        if (objective.AdaptiveKl is { } kl)
        {
            now = now with { KlCoefficient = kl.Next(now.KlCoefficient, meanKl, completions) };
        }

        if (objective.AdaptiveEntropy is { } entropy)
        {
            EntropyState next = entropy.Next(Entropy(now), meanEntropy);
            now = now with { EntropyCoefficient = next.Coefficient, LastEntropy = next.LastEntropy };
        }

        return now;
    }

    private static EntropyState Entropy(AdaptiveState now) => new(now.EntropyCoefficient, now.LastEntropy ?? double.PositiveInfinity);

    /// <summary>Advantages that need the reference or differ from token to token.</summary>
    /// <returns>With a penalty in the reward: the divergence from the reference, mean over the rows of the mean over their tokens (verl <c>apply_kl_penalty</c>); else 0.</returns>
    /// <exception cref="StepFailedException">A log-prob is not finite.</exception>
    private static double FinishAdvantages(ObjectivePlan objective, StepRows rows, StepMetrics metrics)
    {
        if (objective.KlInReward is not { } penalty)
        {
            if (!objective.Advantages.FollowsFromRewards)
            {
                rows.Finish(StepAdvantages.Of(objective.Advantages, rows.Rows, []), []);
            }

            return 0;
        }

        KlPart estimator = objective.Kl with { Form = penalty.Form, StraightThrough = false };
        double[] kl = new double[rows.Tokens], penalties = new double[rows.Count];
        double sum = 0, sumOfMeans = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            double ofRow = 0;
            ReadOnlySpan<float> behaviour = rows.Behaviour(row);
            for (int t = 0; t < behaviour.Length; t++)
            {
                float reference = rows.Reference![rows.Starts[row] + t];
                double value = KlEstimator.Of(estimator, behaviour[t], behaviour[t], reference).Value;
                if (!double.IsFinite(value))
                {
                    throw new StepFailedException(
                        $"Completion {rows.IdOf(row)}: The divergence from the reference at token {t} is {value}, of log-prob {behaviour[t]} and reference log-prob {reference}; a finite number was expected. Nothing was learned from this step.");
                }

                kl[rows.Starts[row] + t] = value;
                ofRow += value;
            }

            penalties[row] = penalty.Coefficient * ofRow;
            sum += ofRow;
            sumOfMeans += behaviour.Length == 0 ? 0 : ofRow / behaviour.Length;
        }

        rows.Finish(StepAdvantages.Of(objective.Advantages, rows.Rows, penalty, kl), penalties);
        metrics.SetRewardKl(objective.Dialect, sum / rows.Tokens, sumOfMeans / rows.Count, penalty.Coefficient);
        return sumOfMeans / rows.Count;
    }

    /// <summary>Trains worked examples: one update, the loss is the mean negative log-prob of their answer tokens.</summary>
    /// <param name="batch">Carries the inputs and the digest; no rows.</param>
    /// <exception cref="StepFailedException">A number is not finite; the sentence names the example.</exception>
    public StepOutputs TrainSupervised(TrainingBatch batch, OptimizerPlan optimizer, IReadOnlyList<WorkedExample> examples, Digest policy, CancellationToken cancellation)
    {
        var metrics = new StepMetrics();
        long targets = examples.Sum(example => (long)(example.Tokens.Length - example.FirstTarget));
        if (targets == 0)
        {
            return Empty(batch, policy, metrics);
        }

        double loss = 0, entropy = 0;
        foreach ((int start, int count) in MicroBatches.Cut(examples.Count, i => examples[i].Tokens.Length, microBatchTokens))
        {
            cancellation.ThrowIfCancellationRequested();
            PackedBatch packed = MicroBatches.Pack(count, i => examples[start + i].Tokens, default, i => examples[start + i].FirstTarget);
            TokenScores scores = _buffers.Current(packed.Targets);
            trainer.Forward(packed, temperature: 1, keepForBackward: true, scores);
            for (int t = 0; t < packed.Targets; t++)
            {
                loss -= scores.LogProbs[t];
                entropy += scores.Entropies[t];
            }

            if (!double.IsFinite(loss))
            {
                throw new StepFailedException(NotFiniteExample(batch.Inputs, packed, scores, start));
            }

            Span<float> coefficients = _buffers.LogProbGradient(packed.Targets);
            coefficients.Fill((float)(-1.0 / targets));
            trainer.Backward(coefficients, []);
        }

        UpdateResult result = Update(optimizer, batch.Inputs.LearningRate, $"step {batch.Inputs.Step + 1}");
        metrics.Set("loss", loss / targets);
        metrics.Set("entropy", entropy / targets);
        metrics.Set("num_target_tokens", targets);
        metrics.Set("grad_norm", result.GradNorm);
        return new StepOutputs(Empty: false, batch.Digest, result.Weights, policy.Then(result.Weights), metrics.Merged(), batch.Inputs.Adaptive);
    }

    /// <summary>What is constant while one step trains.</summary>
    private sealed record Run(ObjectivePlan Objective, StepRows Rows, OptimizerPlan Optimizer, double LearningRate, StepMetrics Metrics, CancellationToken Cancellation);

    private static StepOutputs Empty(TrainingBatch batch, Digest policy, StepMetrics metrics)
        => new(Empty: true, batch.Digest, default, policy, metrics.Merged(), batch.Inputs.Adaptive);

    /// <summary>Reference log-probs, and those of the policy that the step starts from where the objective compares with it.</summary>
    private void ScoreBeforeTheStep(Run run)
    {
        StepRows rows = run.Rows;
        if (run.Objective.NeedsReference)
        {
            rows.Reference = new float[rows.Tokens];
            ScoreAll(run, rows.Reference, byReference: true);
        }

        if (run.Objective.Decoupled || run.Objective.Mismatch is not null || !run.Objective.Rejections.IsEmpty)
        {
            rows.Proximal = new float[rows.Tokens];
            ScoreAll(run, rows.Proximal, byReference: false);
        }
    }

    private void ScoreAll(Run run, float[] logProbs, bool byReference)
    {
        StepRows rows = run.Rows;
        int[] all = [.. Enumerable.Range(0, rows.Count)];
        foreach (MicroBatch micro in rows.Cut(all, microBatchTokens))
        {
            run.Cancellation.ThrowIfCancellationRequested();
            PackedBatch packed = rows.Pack(micro);
            TokenScores scores = _buffers.Current(packed.Targets);
            if (byReference)
            {
                trainer.ForwardReference(packed, rows.Temperature, scores);
            }
            else
            {
                trainer.Forward(packed, rows.Temperature, keepForBackward: false, scores);
            }

            scores.LogProbs.AsSpan(0, packed.Targets).CopyTo(logProbs.AsSpan(rows.Starts[micro.Start]));
        }
    }

    /// <summary>One optimiser update. Null, and nothing happened, if no token counts.</summary>
    private Digest? TrainSlice(Run run, ReadOnlySpan<int> sliceRows, bool isFirst)
    {
        StepRows rows = run.Rows;
        int[] order = sliceRows.ToArray();
        MicroBatch[] cut = rows.Cut(order, microBatchTokens);
        StepTotals totals = Survey(run, cut);
        if (totals.Tokens == 0)
        {
            return null;
        }

        var sums = new ObjectiveSums(run.Objective);
        var mismatch = new SamplerMismatch(run.Objective.Dialect);
        foreach (MicroBatch micro in cut)
        {
            run.Cancellation.ThrowIfCancellationRequested();
            PackedBatch packed = rows.Pack(micro);
            TokenScores scores = _buffers.Current(packed.Targets);
            trainer.Forward(packed, rows.Temperature, keepForBackward: true, scores);
            Gathered gathered = Gather(rows, micro.Rows.Span, packed.Targets);
            for (int i = 0; isFirst && i < micro.Rows.Length; i++)
            {
                Range row = gathered.RowStarts[i]..gathered.RowStarts[i + 1];
                mismatch.AddRow(scores.LogProbs.AsSpan(0, packed.Targets)[row], gathered.Behaviour[row], rows.Teaches(micro.Rows.Span[i]));
            }

            Span<float> dLogProb = _buffers.LogProbGradient(packed.Targets);
            Span<float> dEntropy = run.Objective.NeedsEntropyGradient ? _buffers.EntropyGradient(packed.Targets) : [];
            try
            {
                Objective.Evaluate(run.Objective, Batch(run.Objective, gathered, scores, micro.Start), totals, dLogProb, dEntropy, sums);
            }
            catch (NonFiniteTokenException found)
            {
                throw new StepFailedException($"Completion {rows.IdOf(micro.Rows.Span[found.Row])}: {found.Message}", found);
            }

            trainer.Backward(dLogProb, dEntropy);
        }

        UpdateResult result = Update(run.Optimizer, run.LearningRate, rows.NamesOf(order));
        run.Metrics.AddUpdate(sums, result.GradNorm);
        if (isFirst)
        {
            mismatch.Report(run.Metrics, corrected: rows.Proximal is not null);
        }

        return result.Weights;
    }

    private StepTotals Survey(Run run, MicroBatch[] cut)
    {
        var survey = new StepSurvey(run.Objective);
        foreach (MicroBatch micro in cut)
        {
            TokenScores scores = default;
            int targets = micro.Rows.ToArray().Sum(row => run.Rows.Starts[row + 1] - run.Rows.Starts[row]);
            if (run.Objective.NeedsWholeUpdate)
            {
                run.Cancellation.ThrowIfCancellationRequested();
                scores = _buffers.Current(targets);
                trainer.Forward(run.Rows.Pack(micro), run.Rows.Temperature, keepForBackward: false, scores);
            }

            try
            {
                survey.Add(Batch(run.Objective, Gather(run.Rows, micro.Rows.Span, targets), scores, micro.Start));
            }
            catch (NonFiniteTokenException found)
            {
                throw new StepFailedException($"Completion {run.Rows.IdOf(micro.Rows.Span[found.Row])}: {found.Message}", found);
            }
        }

        return survey.Totals();
    }

    private UpdateResult Update(OptimizerPlan optimizer, double learningRate, string what)
    {
        try
        {
            return trainer.Update(optimizer, learningRate);
        }
        catch (NotFiniteException found)
        {
            throw new StepFailedException($"{found.Message} It came from {what}. Nothing was learned from this step.", found);
        }
    }

    /// <summary>Per-token numbers of one micro-batch, in its order.</summary>
    private readonly ref struct Gathered
    {
        public required ReadOnlySpan<int> RowStarts { get; init; }

        public required ReadOnlySpan<double> Advantages { get; init; }

        public required bool PerToken { get; init; }

        public required ReadOnlySpan<bool> Mask { get; init; }

        public required ReadOnlySpan<float> Behaviour { get; init; }

        public required ReadOnlySpan<float> Reference { get; init; }

        public required ReadOnlySpan<float> Proximal { get; init; }
    }

    private Gathered Gather(StepRows rows, ReadOnlySpan<int> micro, int targets)
    {
        Span<int> starts = _buffers.RowStarts(micro.Length + 1);
        Span<double> advantages = _buffers.Advantages(rows.PerToken ? targets : micro.Length);
        Span<bool> mask = rows.MasksTruncated ? _buffers.Mask(targets) : [];
        Span<float> behaviour = _buffers.Behaviour(targets);
        Span<float> reference = rows.Reference is null ? [] : _buffers.Reference(targets);
        Span<float> proximal = rows.Proximal is null ? [] : _buffers.Proximal(targets);
        starts[0] = 0;
        for (int i = 0; i < micro.Length; i++)
        {
            int row = micro[i], from = rows.Starts[row], length = rows.Starts[row + 1] - from, to = starts[i];
            starts[i + 1] = to + length;
            if (rows.PerToken)
            {
                rows.TokenAdvantages(row).CopyTo(advantages[to..]);
            }
            else
            {
                advantages[i] = rows.Advantage(row);
            }

            if (rows.MasksTruncated)
            {
                mask.Slice(to, length).Fill(rows.Teaches(row));
            }

            rows.Behaviour(row).CopyTo(behaviour[to..]);
            rows.Reference.AsSpan(rows.Reference is null ? 0 : from, rows.Reference is null ? 0 : length).CopyTo(reference.IsEmpty ? [] : reference[to..]);
            rows.Proximal.AsSpan(rows.Proximal is null ? 0 : from, rows.Proximal is null ? 0 : length).CopyTo(proximal.IsEmpty ? [] : proximal[to..]);
        }

        return new Gathered { RowStarts = starts, Advantages = advantages, PerToken = rows.PerToken, Mask = mask, Behaviour = behaviour, Reference = reference, Proximal = proximal };
    }

    /// <summary>
    /// The ratio divides by the journalled behaviour log-prob; where the objective corrects for the mismatch of sampler and learner, by what the learner
    /// itself gave these tokens before the step, and the behaviour log-prob stands as what was sampled. Without that pass nothing is said of the sampler: old and sampled
    /// would be one number, and their distance 0 at any lag. <see cref="SamplerMismatch"/> measures it then.
    /// </summary>
    private static ObjectiveBatch<float> Batch(ObjectivePlan objective, Gathered gathered, TokenScores scores, int firstRow)
    {
        int targets = gathered.RowStarts[^1];
        bool oldIsProximal = !gathered.Proximal.IsEmpty && !objective.Decoupled;
        return new ObjectiveBatch<float>
        {
            RowStarts = gathered.RowStarts,
            LogProbs = scores.LogProbs is null ? [] : scores.LogProbs.AsSpan(0, targets),
            Old = oldIsProximal ? gathered.Proximal : gathered.Behaviour,
            Sampling = oldIsProximal ? gathered.Behaviour : [],
            Proximal = objective.Decoupled ? gathered.Proximal : [],
            Reference = gathered.Reference,
            Entropies = scores.Entropies is null ? [] : scores.Entropies.AsSpan(0, targets),
            Mask = gathered.Mask,
            Advantages = gathered.Advantages,
            PerToken = gathered.PerToken,
            FirstRow = firstRow,
        };
    }

    /// <summary>Rows in the order of a pass, and where its slices begin; a slice is whole groups.</summary>
    private int[] RowOrder(StepRows rows, StepInputs inputs, int pass, int slices, out int[] sliceStarts)
    {
        int groups = rows.GroupStarts.Length - 1;
        ulong key = seeds.Key(SeedPurpose.BatchOrder, inputs.Phase);
        var order = new List<int>(rows.Count);
        sliceStarts = new int[slices + 1];
        for (int slice = 0; slice < slices; slice++)
        {
            for (int position = slice * groups / slices; position < (slice + 1) * groups / slices; position++)
            {
                int group = slices == 1 ? position : (int)KeyedPermutation.At(key, (uint)inputs.Step, (uint)pass, groups, position);
                order.AddRange(Enumerable.Range(rows.GroupStarts[group], rows.GroupStarts[group + 1] - rows.GroupStarts[group]));
            }

            sliceStarts[slice + 1] = order.Count;
        }

        return [.. order];
    }

    private static string NotFiniteExample(StepInputs inputs, PackedBatch packed, TokenScores scores, int start)
    {
        int target = 0;
        for (int i = 0; i < packed.Sequences; i++)
        {
            for (int position = packed.FirstTarget[i]; position < packed.Offsets[i + 1] - packed.Offsets[i]; position++, target++)
            {
                if (!float.IsFinite(scores.LogProbs[target]))
                {
                    return $"The log-prob of token {position} of worked example {inputs.FirstExample + start + i} is {scores.LogProbs[target]} in step {inputs.Step + 1}; a finite number was expected. Nothing was learned from this step.";
                }
            }
        }

        return $"The loss of step {inputs.Step + 1} is not finite. Nothing was learned from it.";
    }
}
