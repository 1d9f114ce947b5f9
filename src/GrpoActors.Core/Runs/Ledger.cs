using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;

namespace GrpoActors.Core.Runs;

/// <summary>
/// The ledger: h(0) = SHA-256 of the plan's identity, h(s+1) = SHA-256(h(s), record of step s). The layout of a record stands in this room's README.
/// </summary>
public static class Ledger
{
    /// <summary>
    /// The groups that a step settles, in order of GroupId. Canonical order: all that it owns. Arrival order: those it trains or passes over
    /// and all dropped since the step before.
    /// </summary>
    /// <remarks>In canonical order "closed since the last step" would depend on timing as soon as lag is above 0; ownership does not.</remarks>
    public static IEnumerable<GroupState> Settled(RunState run, StepInputs inputs)
    {
        if (run.Plan.Order.Kind == OrderKind.Canonical)
        {
            return run.Groups.Values.Where(group => group.Step == inputs.Step);
        }

        var taken = inputs.Groups.Concat(inputs.PassedOver).ToHashSet();
        return run.Groups.Values.Where(group => group.Fate == GroupFate.Dropped || taken.Contains(group.Id));
    }

    /// <summary>The chain's value after this step, decided in <paramref name="run"/>, the state before it.</summary>
    public static Digest Next(RunState run, StepInputs inputs, StepOutputs outputs)
    {
        var record = new LedgerRecord();
        record.Add(inputs);
        record.Add(outputs);
        GroupState[] settled = [.. Settled(run, inputs)];
        record.Add(settled.Length);
        foreach (GroupState group in settled)
        {
            record.Add(group);
        }

        record.Add(run.EvaluationOfVersion);
        return run.Chain.Then(record.Bytes);
    }

    /// <summary>The chain's value after a rollback.</summary>
    public static Digest NextAfterRollback(RunState run, long to, string reason, double learningRateScale)
    {
        var record = new LedgerRecord();
        record.Add(-1);
        record.Add(run.Version.Steps);
        record.Add(to);
        record.Add(reason);
        record.Add(learningRateScale);
        record.Add(run.PrimaryNext);
        record.Add(run.EvaluationOfVersion);
        return run.Chain.Then(record.Bytes);
    }
}

/// <summary>Little-endian bytes in a fixed order; counts before lists.</summary>
internal sealed class LedgerRecord
{
    private readonly ArrayBufferWriter<byte> bytes = new(4096);

    public ReadOnlySpan<byte> Bytes => bytes.WrittenSpan;

    public void Add(byte value)
    {
        bytes.GetSpan(1)[0] = value;
        bytes.Advance(1);
    }

    public void Add(int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes.GetSpan(4), value);
        bytes.Advance(4);
    }

    public void Add(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes.GetSpan(8), value);
        bytes.Advance(8);
    }

    public void Add(double value) => Add(BitConverter.DoubleToInt64Bits(value));

    public void Add(float value) => Add(BitConverter.SingleToInt32Bits(value));

    public void Add(string value)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(value);
        Add(utf8.Length);
        bytes.Write(utf8);
    }

    public void Add(Digest value)
    {
        value.CopyTo(bytes.GetSpan(Digest.ByteLength));
        bytes.Advance(Digest.ByteLength);
    }

    public void Add(GroupId id)
    {
        Add(id.Phase);
        Add((byte)id.Stream);
        Add(id.Ordinal);
    }

    public void Add(IReadOnlyCollection<GroupId> ids)
    {
        Add(ids.Count);
        foreach (GroupId id in ids)
        {
            Add(id);
        }
    }

    public void Add(AdaptiveState adaptive)
    {
        Add(adaptive.KlCoefficient);
        Add(adaptive.EntropyCoefficient);
        Add(adaptive.LearningRateScale);
        if (adaptive.LastEntropy is { } entropy) // the plan, which opens the chain, says whether it is there
        {
            Add(entropy);
        }
    }

    public void Add(StepInputs inputs)
    {
        Add(inputs.Step);
        Add(inputs.Phase);
        Add((byte)inputs.Kind);
        Add((IReadOnlyCollection<GroupId>)inputs.Groups);
        Add(inputs.FirstExample);
        Add(inputs.Examples);
        Add((IReadOnlyCollection<GroupId>)inputs.PassedOver);
        Add(inputs.PrimaryCursor);
        Add(inputs.RefillCursor);
        Add(inputs.LearningRate);
        Add(inputs.Adaptive);
        Add(inputs.ReferenceVersion?.Steps ?? -1L);
    }

    /// <summary>Metrics are left out: they are views of what the digests cover.</summary>
    public void Add(StepOutputs outputs)
    {
        Add((byte)(outputs.Empty ? 1 : 0));
        Add(outputs.Batch);
        Add(outputs.Update);
        Add(outputs.Policy);
        Add(outputs.Next);
    }

    public void Add(GroupState group)
    {
        Add(group.Id);
        Add(group.Row);
        Add(group.Version.Steps);
        Add((byte)group.Reason);
        Add(group.Completions.Length);
        foreach (ScoredCompletion completion in group.Completions)
        {
            Add(completion);
        }
    }

    public void Add(ScoredCompletion scored)
    {
        Add(scored.Completion);
        Add(scored.Outcomes.Length);
        foreach (ScoreOutcome outcome in scored.Outcomes)
        {
            switch (outcome)
            {
                case ScoreOutcome.Scored x:
                    Add((byte)0);
                    Add(x.Reward);
                    break;
                case ScoreOutcome.Abstained:
                    Add((byte)1);
                    break;
                case ScoreOutcome.TimedOut:
                    Add((byte)2);
                    break;
                default:
                    Add((byte)3);
                    break;
            }
        }
    }

    public void Add(Completion completion)
    {
        Add(completion.Index);
        Add((byte)completion.Finish);
        Add(completion.KeptMass);
        Add(completion.Tokens.Length);
        if (BitConverter.IsLittleEndian) // nearly all bytes of a record: as they lie
        {
            bytes.Write(MemoryMarshal.AsBytes(completion.Tokens.AsSpan()));
            bytes.Write(MemoryMarshal.AsBytes(completion.LogProbs.AsSpan()));
            return;
        }

        foreach (int token in completion.Tokens)
        {
            Add(token);
        }

        foreach (float logProb in completion.LogProbs)
        {
            Add(logProb);
        }
    }

    public void Add(Evaluation? evaluation)
    {
        Add((byte)(evaluation is null ? 0 : 1));
        if (evaluation is not null)
        {
            Add(evaluation.Problems);
            Add(evaluation.Correct);
            Add(evaluation.MeanReward);
            Add(evaluation.Tokens);
        }
    }
}
