using System.Buffers.Binary;
using System.Security.Cryptography;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Workers;

/// <summary>Greedy accuracy on the held-out problems.</summary>
public static class HeldOut
{
    public static Evaluation Evaluate(RunSetup setup, ISampler sampler, PolicyWeights policy, EvaluationPlan plan, TimeProvider time, CancellationToken stop)
    {
        PromptTable problems = setup.HeldOut ?? throw new InvalidOperationException("The plan has no held-out problems.");
        int reward = setup.Rewards.IndexOf(plan.Reward);
        SamplingPlan sampling = setup.Plan.Identity.Phases.First(phase => phase.Group is not null).Groups.Sampling;
        var settings = new SampleSettings(sampling, plan.MaxCompletionLength, Greedy: true, setup.StopScanner(sampling));
        var seeds = new SeedTree(setup.Plan.Identity.Seed);
        using var tokens = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sampler.Load(policy);
        int correct = 0, judged = 0;
        double sum = 0;
        for (int first = 0; first < problems.Rows.Count; first += RunComposition.HeldOutAtOnce)
        {
            int count = Math.Min(RunComposition.HeldOutAtOnce, problems.Rows.Count - first);
            SamplePrompt[] asked = [.. Enumerable.Range(first, count).Select(row => new SamplePrompt(problems.Prompt(row), seeds.Evaluation(0, (uint)row, 0), [0]))];
            IReadOnlyList<Completion[]> answers = sampler.Sample(asked, settings, null, stop);
            for (int i = 0; i < count; i++)
            {
                Completion answer = answers[i][0];
                Append(tokens, answer);
                if (Judge(setup, reward, problems.Rows[first + i], answer, time, stop) is ScoreOutcome.Scored { Reward: var score })
                {
                    judged++;
                    sum += score;
                    correct += score >= plan.Threshold ? 1 : 0;
                }
            }
        }

        if (judged < problems.Rows.Count)
        {
            throw new RunFailedException($"Reward {plan.Reward} failed on {problems.Rows.Count - judged} of {problems.Rows.Count} held-out answers: the accuracy would not be one.");
        }

        return new Evaluation(problems.Rows.Count, correct, sum / Math.Max(1, judged), Digest.FromBytes(tokens.GetHashAndReset()));
    }

    /// <summary>One outcome, with as many retries as the plan gives the reward.</summary>
    private static ScoreOutcome Judge(RunSetup setup, int reward, PromptRow row, Completion answer, TimeProvider time, CancellationToken stop)
    {
        int left = setup.Plan.Identity.Rewards[reward].Retries;
        while (true)
        {
            ScoreOutcome outcome = setup.Rewards.Score(reward, row, answer, time, stop).GetAwaiter().GetResult();
            if (outcome is ScoreOutcome.Scored or ScoreOutcome.Abstained || left-- == 0)
            {
                return outcome;
            }
        }
    }

    private static void Append(IncrementalHash hash, Completion answer)
    {
        byte[] bytes = new byte[4 * (answer.Tokens.Length + 1)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, answer.Tokens.Length);
        for (int i = 0; i < answer.Tokens.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4 * (i + 1)), answer.Tokens[i]);
        }

        hash.AppendData(bytes);
    }
}
