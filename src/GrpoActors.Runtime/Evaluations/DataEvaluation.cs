using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Runtime.Evaluations;

/// <param name="Samples">Answers to each problem, n.</param>
/// <param name="Threshold">An answer that scores this much or more is right.</param>
/// <param name="Seed">Key of the random numbers.</param>
/// <param name="ShowsSpecialTokens">The reward reads completions with their special tokens.</param>
public sealed record DataEvaluationSettings(int Samples, SamplingPlan Sampling, bool Greedy, int MaxCompletionLength, double Threshold, ulong Seed, int Threads, bool ShowsSpecialTokens = false);

/// <summary>Accuracy of a policy on a data file.</summary>
/// <param name="Samples">n.</param>
/// <param name="AvgAtN">Share of all answers that are right.</param>
/// <param name="MajAtN">Share of problems whose most frequent answer is right.</param>
/// <param name="PassAtK">By k: 1, 2, 4, ... and n.</param>
/// <param name="MeanReward">Over all answers.</param>
/// <param name="MeanTokens">Of an answer.</param>
/// <param name="Truncated">Answers that ended at max_completion_length.</param>
public sealed record DataEvaluationResult(
    int Problems, int Samples, double AvgAtN, double MajAtN, ImmutableSortedDictionary<int, double> PassAtK, double MeanReward, double MeanTokens, int Truncated);

/// <summary>Asks every row of a data file n times and judges the answers.</summary>
public static class DataEvaluation
{
    private const int RowsAtOnce = 256;

    /// <param name="progress">Called after each portion with the problems done so far.</param>
    /// <exception cref="RunFailedException">The reward failed on an answer: an accuracy without it would not be one.</exception>
    public static DataEvaluationResult Run(LoadedPolicy policy, PromptTable problems, IReward reward, DataEvaluationSettings settings, Action<int>? progress, CancellationToken stop)
    {
        using IEngine engine = policy.OpenEngine(settings.Threads);
        using ISampler sampler = engine.OpenSampler();
        sampler.Load(policy.Weights);
        var sums = new Sums(settings);
        Func<IStopScanner>? stops = settings.Sampling.StopStrings.IsEmpty ? null : () => new StopStringScanner(policy.Tokenizer, settings.Sampling.StopStrings);
        var sampling = new SampleSettings(settings.Sampling, settings.MaxCompletionLength, settings.Greedy, stops);
        var seeds = new SeedTree(settings.Seed);
        int[] indices = [.. Enumerable.Range(0, settings.Samples)];
        int portion = Math.Max(1, RowsAtOnce / settings.Samples);
        for (int first = 0; first < problems.Rows.Count; first += portion)
        {
            PromptRow[] rows = [.. problems.Rows.Skip(first).Take(portion)];
            SamplePrompt[] asked = [.. rows.Select((row, i) => new SamplePrompt(row.PromptTokens, seeds.Evaluation(0, (uint)(first + i), 1), indices))];
            IReadOnlyList<Completion[]> answers = sampler.Sample(asked, sampling, null, stop);
            for (int i = 0; i < rows.Length; i++)
            {
                Judge(policy, rows[i], answers[i], reward, settings, sums, stop);
            }

            progress?.Invoke(first + rows.Length);
        }

        return sums.Result();
    }

    private static void Judge(LoadedPolicy policy, PromptRow row, Completion[] answers, IReward reward, DataEvaluationSettings settings, Sums sums, CancellationToken stop)
    {
        string[] texts = [.. answers.Select(answer => Text(policy, answer))];
        float[] scores = new float[answers.Length];
        for (int i = 0; i < answers.Length; i++)
        {
            string shown = settings.ShowsSpecialTokens ? policy.Tokenizer.Decode(answers[i].Tokens.AsSpan(), skipSpecialTokens: false) : texts[i];
            var input = new RewardInput(row.Prompt, shown, row.Answer, row.Columns, answers[i].Tokens.Length, answers[i].Finish == FinishReason.Length) { CompletionIds = answers[i].Tokens };
            ScoreOutcome outcome = RewardCall.Run(reward, input, Timeout.InfiniteTimeSpan, TimeProvider.System, stop).GetAwaiter().GetResult();
            scores[i] = outcome is ScoreOutcome.Scored scored
                ? scored.Reward
                : throw new RunFailedException($"Reward {reward.Name} gave no number for an answer to problem {sums.Problems + 1} ({outcome}): the accuracy would not be one. Has each row its answer?");
        }

        sums.Add(scores, AnswerStatistics.Majority(texts), answers);
    }

    private static string Text(LoadedPolicy policy, Completion answer) =>
        policy.Tokenizer.Decode(answer.Finish == FinishReason.Eos ? answer.Tokens.AsSpan()[..^1] : answer.Tokens.AsSpan(), skipSpecialTokens: true);

    private sealed class Sums(DataEvaluationSettings settings)
    {
        private readonly int[] ks = [.. Enumerable.Range(0, 31).Select(power => 1 << power).Where(k => k < settings.Samples), settings.Samples];
        private readonly double[] pass = new double[32];
        private double reward;
        private long right, majorities, tokens, truncated;

        public int Problems { get; private set; }

        public void Add(float[] scores, int majority, Completion[] answers)
        {
            int c = scores.Count(score => score >= settings.Threshold);
            Problems++;
            right += c;
            reward += scores.Sum(score => (double)score);
            majorities += scores[majority] >= settings.Threshold ? 1 : 0;
            tokens += answers.Sum(answer => (long)answer.Tokens.Length);
            truncated += answers.Count(answer => answer.Finish == FinishReason.Length);
            for (int i = 0; i < ks.Length; i++)
            {
                pass[i] += AnswerStatistics.PassAtK(settings.Samples, c, ks[i]);
            }
        }

        public DataEvaluationResult Result()
        {
            double all = (double)Problems * settings.Samples;
            return new(
                Problems, settings.Samples, right / all, (double)majorities / Problems,
                ks.Select((k, i) => KeyValuePair.Create(k, pass[i] / Problems)).ToImmutableSortedDictionary(), reward / all, tokens / all, (int)truncated);
        }
    }
}
