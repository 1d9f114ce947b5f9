using System.CommandLine;
using GrpoActors.Core;
using GrpoActors.Core.Advantages;
using GrpoActors.Core.Objectives;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;

namespace GrpoActors.Benchmarks;

/// <summary><c>coefficients</c>: what advantages, survey and coefficients take of a step of the arithmetic recipe.</summary>
internal static class CoefficientsCommand
{
    // The recipe's step: 32 groups of 8, prompts of 7 tokens, answers of 11, at most 512 tokens a pass.
    private const int Groups = 32, Completions = 8, PromptTokens = 7, AnswerTokens = 11, MicroBatchTokens = 512;
    private const int Rows = Groups * Completions, RowsAPass = MicroBatchTokens / (PromptTokens + AnswerTokens);

    /// <summary>A run has hundreds of steps: what counts is code that the JIT has seen often.</summary>
    private const int WarmUps = 200;

    public static Command Build() => new Benchmark(
        "coefficients",
        $"Advantages, survey and coefficients of {Rows} completions of {AnswerTokens} tokens, one thread. Limit: forward, backward and update of the same step, sampling not counted; the share may be 1 %.",
        Run);

    private static void Run(Settings settings, Report report)
    {
        using IEngine engine = new CpuEngineProvider().Open(Models.Arithmetic, new EngineOptions(settings.Threads, MicroBatchTokens));
        using ITrainer trainer = engine.OpenTrainer(Models.Weights(Models.Arithmetic));
        Timing pass = ModelPace.ForwardBackward(trainer, Models.Arithmetic, RowsAPass, PromptTokens + AnswerTokens - 1, settings.Runs), update = ModelPace.Update(trainer, settings.Runs);
        double stepMs = 1e3 * ((pass.Seconds * Rows / RowsAPass) + update.Seconds);
        report.Add(new Row($"forward, backward and update, {settings.Threads} thread{(settings.Threads == 1 ? "" : "s")}", stepMs, "ms"));
        foreach ((string name, ObjectivePlan plan) in Plans())
        {
            var step = new Step(plan);
            for (int i = 0; i < WarmUps; i++)
            {
                step.Evaluate();
            }

            Timing timing = Timing.Of(settings.Runs, step.Evaluate);
            report.Add(new Row(name, 1e3 * timing.Seconds, "ms", stepMs, timing.BytesAllocated));
        }
    }

    private static IEnumerable<(string Name, ObjectivePlan Plan)> Plans()
    {
        foreach (string name in new[] { "grpo", "dr_grpo", "dapo", "cispo", "gspo", "rloo" })
        {
            yield return (name, ObjectivePlan.For(Dialect.Trl, name));
        }

        yield return ("grpo with KL, weights and rejection", ObjectivePlan.For(Dialect.Verl, "grpo", new() { Beta = 0.04, ImportanceSamplingMode = "token", RolloutRs = "token_k1", RolloutRsThreshold = "2" }));
        yield return ("kl_cov with entropy bonus and quantile", ObjectivePlan.For(Dialect.Trl, "kl_cov", new() { EntropyCoef = 0.01, TopEntropyQuantile = 0.2 }));
    }

    /// <summary>A step's numbers: keyed noise, as far apart as a few updates leave them.</summary>
    private sealed class Step(ObjectivePlan plan)
    {
        private const int Tokens = Rows * AnswerTokens;

        private readonly float[] _logProbs = Noise(1, -1, 0.6), _old = Noise(2, -1, 0.6), _reference = Noise(3, -1, 0.6), _entropies = Noise(4, 0.5, 0.4);
        private readonly float[] _dLogProb = new float[Tokens], _dEntropy = new float[Tokens];
        private readonly double[] _rewards = [.. Enumerable.Range(0, Rows).Select(row => new CounterRandom(5, 0, 0).Uniform((uint)row, 0) < 0.5f ? 1.0 : 0)];
        private readonly int[] _groups = [.. Enumerable.Range(0, Rows).Select(row => row / Completions)], _starts = [.. Enumerable.Range(0, Rows + 1).Select(row => row * AnswerTokens)];

        public void Evaluate()
        {
            double[] advantages = AdvantageEstimation.Estimate(plan.Advantages, new AdvantageInputs { RowStarts = _starts, Groups = _groups, Rewards = _rewards }).Advantages;
            var survey = new StepSurvey(plan);
            for (int row = 0; row < Rows; row += RowsAPass)
            {
                survey.Add(Batch(row, advantages));
            }

            StepTotals totals = survey.Totals();
            var sums = new ObjectiveSums(plan);
            for (int row = 0; row < Rows; row += RowsAPass)
            {
                ObjectiveBatch<float> batch = Batch(row, advantages);
                int tokens = batch.RowStarts[^1];
                Objective.Evaluate(plan, batch, totals, _dLogProb.AsSpan(0, tokens), plan.NeedsEntropyGradient ? _dEntropy.AsSpan(0, tokens) : [], sums);
            }

            sums.Metrics().Values();
        }

        private ObjectiveBatch<float> Batch(int row, double[] advantages)
        {
            int rows = Math.Min(RowsAPass, Rows - row), from = row * AnswerTokens, tokens = rows * AnswerTokens;
            return new ObjectiveBatch<float>
            {
                RowStarts = _starts.AsSpan(0, rows + 1),
                LogProbs = _logProbs.AsSpan(from, tokens),
                Old = _old.AsSpan(from, tokens),
                Sampling = _old.AsSpan(from, tokens),
                Reference = plan.NeedsReference ? _reference.AsSpan(from, tokens) : [],
                Entropies = _entropies.AsSpan(from, tokens),
                Advantages = advantages.AsSpan(row, rows),
                FirstRow = row,
            };
        }

        private static float[] Noise(uint key, double centre, double width) =>
            [.. Enumerable.Range(0, Tokens).Select(t => (float)(centre + (width * ((2 * new CounterRandom(key, 0, 0).Uniform((uint)t, 0)) - 1))))];
    }
}
