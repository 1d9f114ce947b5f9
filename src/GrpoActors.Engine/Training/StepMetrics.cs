using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Objectives;
using GrpoActors.Core.Runs;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Training;

/// <summary>The metrics of a step, under TRL's names where TRL has one. Those of several updates are averaged, smallest and largest ones excepted.</summary>
/// <param name="verl">Report under verl's names too.</param>
internal sealed class StepMetrics(bool verl = false)
{
    private readonly Dictionary<string, double> _ofStep = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, double> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _updates = new(StringComparer.Ordinal);
    private double _kl, _entropy, _tokens;

    /// <summary>A number of the whole step; it stands instead of what updates report under this name.</summary>
    public void Set(string name, double value) => _ofStep[name] = value;

    /// <summary>Divergence from the reference, mean over the tokens of all updates; nats.</summary>
    public double MeanKl => _tokens > 0 ? _kl / _tokens : 0;

    /// <summary>Entropy, mean over the tokens of all updates; nats.</summary>
    public double MeanEntropy => _tokens > 0 ? _entropy / _tokens : 0;

    public void AddUpdate(ObjectiveSums sums, double gradNorm)
    {
        foreach ((string name, double value) in sums.Metrics().Values())
        {
            Add(name, value);
        }

        _kl += sums.Kl;
        _entropy += sums.Entropy;
        _tokens += sums.Tokens;
        Add("loss", sums.Loss);
        Add("grad_norm", gradNorm);
        if (verl)
        {
            Add("actor/grad_norm", gradNorm);
        }
    }

    private void Add(string name, double value)
    {
        int count = _updates.GetValueOrDefault(name);
        _updates[name] = count + 1;
        _values[name] = count == 0 ? value
            : name.EndsWith("min", StringComparison.Ordinal) ? Math.Min(_values[name], value)
            : name.EndsWith("max", StringComparison.Ordinal) ? Math.Max(_values[name], value)
            : _values[name] + value; // divided by the number of updates in Merged
    }

    /// <summary>In ordinal order of names.</summary>
    public ImmutableArray<Metric> Merged()
    {
        IEnumerable<Metric> ofUpdates = _values
            .Where(entry => !_ofStep.ContainsKey(entry.Key))
            .Select(entry => new Metric(entry.Key, IsExtreme(entry.Key) ? entry.Value : entry.Value / _updates[entry.Key]));
        return [.. ofUpdates.Concat(_ofStep.Select(entry => new Metric(entry.Key, entry.Value))).OrderBy(metric => metric.Name, StringComparer.Ordinal)];
    }

    private static bool IsExtreme(string name) => name.EndsWith("min", StringComparison.Ordinal) || name.EndsWith("max", StringComparison.Ordinal);

    /// <summary>What the batch itself tells: rewards, lengths, lag. Where nothing can be said (no scorable completion, no terminated one) the metric is absent, not 0.</summary>
    /// <remarks>
    /// Ours alone: <c>lag</c>, the largest number of versions between learner and sampler. <c>reward_std</c> is the mean over the groups of the standard deviation
    /// (n - 1), as TRL's with scale_rewards group.
    /// </remarks>
    public void AddBatch(TrainingBatch batch, IReadOnlyList<string> rewardNames)
    {
        ImmutableArray<TrainingRow> rows = batch.Rows;
        if (rows.IsEmpty)
        {
            return;
        }

        AddLengths("completions/", "length", rows);
        AddLengths("completions/", "terminated_length", [.. rows.Where(row => row.Completion.Finish != FinishReason.Length)]);
        Set("completions/clipped_ratio", rows.Count(row => row.Completion.Finish == FinishReason.Length) / (double)rows.Length);
        Set("lag", rows.Max(row => batch.Inputs.Step - row.Version.Steps));
        if (rows.Any(row => row.Completion.KeptMass < 1))
        {
            Set("sampling/kept_mass", rows.Sum(row => (double)row.Completion.KeptMass * row.Completion.Tokens.Length) / rows.Sum(row => row.Completion.Tokens.Length));
        }

        AddRewards(rows);
        for (int i = 0; i < rewardNames.Count; i++)
        {
            double[] values = [.. rows.Select(row => row.RewardsByFunction[i]).Where(double.IsFinite)];
            if (values.Length > 0)
            {
                Set($"rewards/{rewardNames[i]}/mean", Mean(values));
                Set($"rewards/{rewardNames[i]}/std", Deviation(values));
            }
        }
    }

    /// <summary>A penalty in the reward.</summary>
    /// <param name="ofTokens">Divergence from the reference, mean over all tokens: TRL's <c>kl</c>.</param>
    /// <param name="ofRows">Mean over the rows of the mean over their tokens: verl's.</param>
    public void SetRewardKl(Dialect dialect, double ofTokens, double ofRows, double coefficient)
    {
        if (dialect == Dialect.Verl)
        {
            Set("actor/reward_kl_penalty", ofRows);
            Set("actor/reward_kl_penalty_coeff", coefficient);
        }
        else
        {
            Set("kl", ofTokens);
        }
    }

    /// <summary>What the batch tells, under verl's names, beside TRL's that displays and sentinels read.</summary>
    /// <remarks>As in verl: lengths and scores by row, advantages by token. <c>critic/rewards</c> is the score less the penalty in the reward. Unscorable rows, which verl does not know, are left out of both.</remarks>
    public void AddVerlBatch(StepRows rows, StepInputs inputs, int completionMax)
    {
        double[] lengths = [.. rows.Rows.Select(row => (double)row.Completion.Tokens.Length)];
        AddSpread("response_length", lengths);
        Set("response_length/clip_ratio", lengths.Count(length => length == completionMax) / (double)lengths.Length);
        Set("response/aborted_ratio", lengths.Count(length => length == 0) / (double)lengths.Length);
        AddSpread("prompt_length", [.. Enumerable.Range(0, rows.Count).Select(row => (double)rows.PromptLength(row))]);
        AddSpread("critic/score", [.. rows.Rows.Where(row => row.Reward is not null).Select(row => row.Reward!.Value)]);
        AddSpread("critic/rewards", [.. Enumerable.Range(0, rows.Count).Where(row => rows.Rows[row].Reward is not null).Select(row => rows.Rows[row].Reward!.Value - rows.Penalty(row))]);
        double[] advantages = [.. Enumerable.Range(0, rows.Count).SelectMany(row => rows.PerToken ? rows.TokenAdvantages(row).ToArray() : Enumerable.Repeat(rows.Advantage(row), rows.Rows[row].Completion.Tokens.Length))];
        AddSpread("critic/advantages", advantages);
        AddSpread("critic/returns", rows.Returns.Length > 0 ? rows.Returns : advantages);
        AddSpread("training/off_policy/trajectory_staleness", [.. rows.Rows.Select(row => (double)(inputs.Step - row.Version.Steps))]);
        Set("perf/total_num_tokens", rows.Tokens + Enumerable.Range(0, rows.Count).Sum(rows.PromptLength));
        Set("training/global_step", inputs.Step + 1);
        Set("actor/lr", inputs.LearningRate);
    }

    private void AddSpread(string name, double[] values)
    {
        if (values.Length > 0)
        {
            Set($"{name}/mean", Mean(values));
            Set($"{name}/max", values.Max());
            Set($"{name}/min", values.Min());
        }
    }

    private void AddLengths(string prefix, string what, ImmutableArray<TrainingRow> rows)
    {
        if (!rows.IsEmpty)
        {
            Set($"{prefix}mean_{what}", rows.Average(row => row.Completion.Tokens.Length));
            Set($"{prefix}min_{what}", rows.Min(row => row.Completion.Tokens.Length));
            Set($"{prefix}max_{what}", rows.Max(row => row.Completion.Tokens.Length));
        }
    }

    private void AddRewards(ImmutableArray<TrainingRow> rows)
    {
        double[][] byGroup = [.. rows.GroupBy(row => row.Id.Group).Select(group => group.Where(row => row.Reward is not null).Select(row => row.Reward!.Value).ToArray()).Where(rewards => rewards.Length > 0)];
        if (byGroup.Length == 0)
        {
            return;
        }

        Set("reward", Mean([.. byGroup.SelectMany(rewards => rewards)]));
        Set("reward_std", Mean([.. byGroup.Select(Deviation)]));
        Set("frac_reward_zero_std", byGroup.Count(rewards => Deviation(rewards) <= 1e-8) / (double)byGroup.Length);
    }

    private static double Mean(double[] values) => values.Sum() / values.Length;

    /// <summary>Divides by n - 1, as TRL; 0 for one value.</summary>
    private static double Deviation(double[] values)
    {
        double mean = Mean(values);
        return values.Length < 2 ? 0 : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1));
    }
}

/// <summary>
/// How far the learner's log-probs lie from those that the sampler recorded, over the first update of a step, whose current policy is the old one: exactly 0 and a ratio of
/// exactly 1 at lag 0. TRL's numbers are of all tokens; KL, chi-square and effective sample size of those that teach.
/// </summary>
internal sealed class SamplerMismatch(Dialect dialect)
{
    private readonly MismatchSums _teaching = new(dialect);
    private double _differenceSum, _differenceMax, _ratioSum, _ratioMin = double.PositiveInfinity, _ratioMax = double.NegativeInfinity;
    private long _tokens;

    /// <param name="teaches">The completion's tokens count in the loss.</param>
    public void AddRow(ReadOnlySpan<float> learner, ReadOnlySpan<float> sampler, bool teaches)
    {
        for (int t = 0; t < learner.Length; t++)
        {
            double difference = (double)learner[t] - sampler[t];
            double ratio = KernelTraits.Ratio(difference);
            _differenceSum += Math.Abs(difference);
            _differenceMax = Math.Max(_differenceMax, Math.Abs(difference));
            _ratioSum += ratio;
            _ratioMin = Math.Min(_ratioMin, ratio);
            _ratioMax = Math.Max(_ratioMax, ratio);
        }

        _tokens += learner.Length;
        if (teaches)
        {
            _teaching.Add(learner, sampler);
        }
    }

    /// <param name="corrected">The objective compares with the policy before the step by itself and reports its distances, weights cut and tokens rejected.</param>
    public void Report(StepMetrics metrics, bool corrected)
    {
        metrics.Set("sampling/sampling_logp_difference/mean", _differenceSum / _tokens);
        metrics.Set("sampling/sampling_logp_difference/max", _differenceMax);
        metrics.Set("sampling/importance_sampling_ratio/mean", _ratioSum / _tokens);
        metrics.Set("sampling/importance_sampling_ratio/min", _ratioMin);
        metrics.Set("sampling/importance_sampling_ratio/max", _ratioMax);
        if (corrected)
        {
            return;
        }

        foreach ((string name, double value) in _teaching.Metrics().Values())
        {
            metrics.Set(name, value);
        }
    }
}
