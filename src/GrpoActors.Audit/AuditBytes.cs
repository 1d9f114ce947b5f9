using System.Text;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;

namespace GrpoActors.Audit;

/// <summary>The bytes that the ledger's chain and a batch's digest cover, written a second time from their stated layout: little-endian, counts before lists.</summary>
internal static class AuditBytes
{
    /// <summary>The record of a step: inputs, outputs, the groups that it settles, the evaluation of the version it started from.</summary>
    public static byte[] Step(StepInputs inputs, StepOutputs outputs, IReadOnlyCollection<AuditGroup> settled, Evaluation? evaluation) => Written(to =>
    {
        to.Write(inputs.Step);
        to.Write(inputs.Phase);
        to.Write((byte)inputs.Kind);
        Ids(to, inputs.Groups);
        to.Write(inputs.FirstExample);
        to.Write(inputs.Examples);
        Ids(to, inputs.PassedOver);
        to.Write(inputs.PrimaryCursor);
        to.Write(inputs.RefillCursor);
        to.Write(inputs.LearningRate);
        Coefficients(to, inputs.Adaptive);
        to.Write(inputs.ReferenceVersion is { } reference ? reference.Steps : -1L);

        to.Write((byte)(outputs.Empty ? 1 : 0));
        Hash(to, outputs.Batch);
        Hash(to, outputs.Update);
        Hash(to, outputs.Policy);
        Coefficients(to, outputs.Next);

        to.Write(settled.Count);
        foreach (AuditGroup group in settled)
        {
            Id(to, group.Id);
            to.Write(group.Row);
            to.Write(group.Version);
            to.Write((byte)(group.Verdict ?? Core.Runs.DropReason.None));
            to.Write(group.Completions.Length);
            foreach (ScoredCompletion scored in group.Completions)
            {
                Sampled(to, scored.Completion);
                to.Write(scored.Outcomes.Length);
                foreach (ScoreOutcome outcome in scored.Outcomes)
                {
                    Outcome(to, outcome);
                }
            }
        }

        Held(to, evaluation);
    });

    /// <summary>The record of a rollback.</summary>
    public static byte[] Rollback(long step, long target, string reason, double learningRateScale, long cursor, Evaluation? evaluation) => Written(to =>
    {
        to.Write(-1);
        to.Write(step);
        to.Write(target);
        byte[] utf8 = Encoding.UTF8.GetBytes(reason);
        to.Write(utf8.Length);
        to.Write(utf8);
        to.Write(learningRateScale);
        to.Write(cursor);
        Held(to, evaluation);
    });

    /// <summary>A step's batch: the example range, then of each completion ids, version, tokens, log-probs, each reward, the advantage.</summary>
    public static byte[] Batch(StepInputs inputs, IReadOnlyList<AuditGroup> groups, IReadOnlyList<double> advantages) => Written(to =>
    {
        to.Write(inputs.FirstExample);
        to.Write(inputs.Examples);
        to.Write(advantages.Count);
        int row = 0;
        foreach (AuditGroup group in groups)
        {
            foreach (ScoredCompletion scored in group.Completions)
            {
                Id(to, group.Id);
                to.Write(group.Row);
                to.Write(group.Version);
                Sampled(to, scored.Completion);
                foreach (ScoreOutcome outcome in scored.Outcomes)
                {
                    to.Write(outcome is ScoreOutcome.Scored x ? x.Reward : double.NaN);
                }

                to.Write(advantages[row++]);
            }
        }
    });

    private static byte[] Written(Action<BinaryWriter> write)
    {
        using var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes); // little-endian on every machine
        write(to);
        to.Flush();
        return bytes.ToArray();
    }

    private static void Ids(BinaryWriter to, IReadOnlyCollection<GroupId> ids)
    {
        to.Write(ids.Count);
        foreach (GroupId id in ids)
        {
            Id(to, id);
        }
    }

    private static void Id(BinaryWriter to, GroupId id)
    {
        to.Write(id.Phase);
        to.Write((byte)id.Stream);
        to.Write(id.Ordinal);
    }

    private static void Sampled(BinaryWriter to, Completion completion)
    {
        to.Write(completion.Index);
        to.Write((byte)completion.Finish);
        to.Write(completion.KeptMass);
        to.Write(completion.Tokens.Length);
        foreach (int token in completion.Tokens)
        {
            to.Write(token);
        }

        foreach (float logProb in completion.LogProbs)
        {
            to.Write(logProb);
        }
    }

    private static void Outcome(BinaryWriter to, ScoreOutcome outcome)
    {
        switch (outcome)
        {
            case ScoreOutcome.Scored scored:
                to.Write((byte)0);
                to.Write(scored.Reward);
                break;
            case ScoreOutcome.Abstained:
                to.Write((byte)1);
                break;
            case ScoreOutcome.TimedOut:
                to.Write((byte)2);
                break;
            default:
                to.Write((byte)3);
                break;
        }
    }

    private static void Held(BinaryWriter to, Evaluation? evaluation)
    {
        to.Write((byte)(evaluation is null ? 0 : 1));
        if (evaluation is not null)
        {
            to.Write(evaluation.Problems);
            to.Write(evaluation.Correct);
            to.Write(evaluation.MeanReward);
            Hash(to, evaluation.Tokens);
        }
    }

    private static void Coefficients(BinaryWriter to, AdaptiveState adaptive)
    {
        to.Write(adaptive.KlCoefficient);
        to.Write(adaptive.EntropyCoefficient);
        to.Write(adaptive.LearningRateScale);
        if (adaptive.LastEntropy is { } entropy)
        {
            to.Write(entropy);
        }
    }

    private static void Hash(BinaryWriter to, Digest digest)
    {
        Span<byte> bytes = stackalloc byte[Digest.ByteLength];
        digest.CopyTo(bytes);
        to.Write(bytes);
    }
}
