using System.Numerics;

namespace GrpoActors.Core.Objectives;

/// <summary>One row in double, checked, with the rejection rules applied to its mask. Reused from row to row.</summary>
/// <remarks>Numbers of tokens that do not count are 0 here, whatever they were: nothing under a false mask can reach a result.</remarks>
internal sealed class RowBuffer(ObjectivePlan plan)
{
    private double[][] columns = [.. Enumerable.Range(0, 9).Select(_ => Array.Empty<double>())];

    /// <summary>Tokens of the row, counted or not.</summary>
    public int Length { get; private set; }

    /// <summary>Tokens that count.</summary>
    public int Tokens { get; private set; }

    public bool[] Mask { get; private set; } = [];

    public double[] LogProb => columns[0];

    /// <summary>Log-probs under the stop-gradients.</summary>
    public double[] Detached => columns[1];

    /// <summary>What the ratio divides by.</summary>
    public double[] Old => columns[2];

    /// <summary>What the sampler said; equal to <see cref="Old"/> when it was not recorded.</summary>
    public double[] Sampling => columns[3];

    public double[] Reference => columns[4];

    public double[] Entropy => columns[5];

    public double[] Advantage => columns[6];

    /// <summary>Importance weight of the mismatch, cut, not yet divided by the update's mean; 1 without the part.</summary>
    public double[] MismatchWeight => columns[7];

    /// <summary>log(old / sampling); 0 when the sampler's log-probs were not recorded.</summary>
    public double[] MismatchLog => columns[8];

    public bool HasSampling { get; private set; }

    public bool HasEntropy { get; private set; }

    public bool HasReference { get; private set; }

    public void Load<T>(in ObjectiveBatch<T> batch, int row, bool current) where T : IFloatingPointIeee754<T>
    {
        int start = batch.RowStarts[row], end = batch.RowStarts[row + 1];
        Length = end - start;
        Grow();
        for (int t = 0; t < Length; t++)
            Mask[t] = batch.Mask.IsEmpty || batch.Mask[start + t];

        HasEntropy = current && !batch.Entropies.IsEmpty;
        HasReference = current && !batch.Reference.IsEmpty && plan.Kl.Coefficient != 0;
        var behaviour = plan.Decoupled ? batch.Old : batch.Sampling;
        HasSampling = !behaviour.IsEmpty;

        Copy(current ? batch.LogProbs : [], start, row, "log-prob", LogProb, default);
        Copy(current ? batch.DetachedLogProbs : [], start, row, "detached log-prob", Detached, LogProb);
        Copy(plan.Decoupled ? batch.Proximal : batch.Old, start, row, plan.Decoupled ? "proximal log-prob" : "old log-prob", Old, Detached);
        Copy(behaviour, start, row, plan.Decoupled ? "old log-prob" : "sampling log-prob", Sampling, Old);
        Copy(HasReference ? batch.Reference : [], start, row, "reference log-prob", Reference, Detached);
        Copy(HasEntropy ? batch.Entropies : [], start, row, "entropy", Entropy, default);
        LoadAdvantages(batch, row, start);

        // Before the forward pass the old log-probs may be absent (they are then the current ones): no mismatch can be measured yet.
        bool mismatch = HasSampling && (current || !(plan.Decoupled ? batch.Proximal : batch.Old).IsEmpty);
        for (int t = 0; t < Length; t++)
            MismatchLog[t] = mismatch ? Old[t] - Sampling[t] : 0;
        Tokens = Mask.AsSpan(0, Length).Count(true);
        WeighMismatch();
        foreach (var rule in plan.Rejections)
            Reject(rule);
        if (plan.Rejections.Length > 0)
            Tokens = Mask.AsSpan(0, Length).Count(true);
    }

    private void Grow()
    {
        if (Mask.Length >= Length)
            return;
        Mask = new bool[Length];
        for (int i = 0; i < columns.Length; i++)
            columns[i] = new double[Length];
    }

    private void Copy<T>(ReadOnlySpan<T> from, int start, int row, string what, double[] to, ReadOnlySpan<double> otherwise) where T : IFloatingPointIeee754<T>
    {
        if (from.IsEmpty)
        {
            if (otherwise.IsEmpty)
                to.AsSpan(0, Length).Clear();
            else
                otherwise[..Length].CopyTo(to);
            return;
        }
        for (int t = 0; t < Length; t++)
        {
            to[t] = Mask[t] ? double.CreateTruncating(from[start + t]) : 0;
            if (!double.IsFinite(to[t]))
                throw new NonFiniteTokenException(row, t, what, to[t]);
        }
    }

    private void LoadAdvantages<T>(in ObjectiveBatch<T> batch, int row, int start) where T : IFloatingPointIeee754<T>
    {
        for (int t = 0; t < Length; t++)
        {
            Advantage[t] = !Mask[t] ? 0 : batch.PerToken ? batch.Advantages[start + t] : batch.Advantages[row];
            if (!double.IsFinite(Advantage[t]))
                throw new NonFiniteTokenException(row, batch.PerToken ? t : -1, "advantage", Advantage[t]);
        }
    }

    private void WeighMismatch()
    {
        if (plan.Mismatch is not { } part || !HasSampling)
        {
            MismatchWeight.AsSpan(0, Length).Fill(1);
            return;
        }
        double sum = part.WholeSequence ? Sum(MismatchLog) : 0;
        for (int t = 0; t < Length; t++)
        {
            double log = part.WholeSequence ? sum : MismatchLog[t];
            double weight = Transcendental.Exp(Math.Clamp(log, -part.LogClamp, part.LogClamp));
            MismatchWeight[t] = part.Cut == MismatchCut.Truncate ? Math.Clamp(weight, part.Min, part.Max)
                : weight < part.Min || weight > part.Max ? 0 : weight;
        }
    }

    private void Reject(RejectionPart rule)
    {
        double sum = 0, max = 0;
        double upper = rule.Statistic == RejectionStatistic.K1 ? Transcendental.Log(rule.Max) : rule.Max;
        double lower = rule.Statistic == RejectionStatistic.K1 ? Transcendental.Log(rule.Min ?? 1 / rule.Max) : double.NegativeInfinity;
        bool Outside(double x) => x > upper || x < lower;
        for (int t = 0; t < Length; t++)
        {
            if (!Mask[t])
                continue;
            double x = Statistic(rule.Statistic, MismatchLog[t]);
            sum += x;
            max = Math.Max(max, x);
            if (rule.Level == RejectionLevel.Token && Outside(x))
                Mask[t] = false;
        }
        double ofRow = rule.Level switch
        {
            RejectionLevel.SequenceSum => sum,
            RejectionLevel.SequenceMean => sum / (Tokens + Objective.VerlEpsilon),
            RejectionLevel.SequenceMax => max,
            _ => 0,
        };
        if (rule.Level != RejectionLevel.Token && Outside(ofRow))
            Mask.AsSpan(0, Length).Clear();
    }

    private static double Statistic(RejectionStatistic form, double logRatio)
    {
        double x = Math.Clamp(logRatio, -20, 20); // verl's bound
        return form switch
        {
            RejectionStatistic.K1 => -x,
            RejectionStatistic.K2 => 0.5 * x * x,
            _ => Transcendental.Exp(x) - 1 - x,
        };
    }

    /// <summary>Sum over the tokens that count.</summary>
    public double Sum(double[] values)
    {
        double sum = 0;
        for (int t = 0; t < Length; t++)
            sum += Mask[t] ? values[t] : 0;
        return sum;
    }

    /// <summary>True when PPO's clip takes the gradient of token t.</summary>
    public bool Clipped(int t, double low, double high)
    {
        double c = Transcendental.Exp(Detached[t] - Old[t]), a = Advantage[t];
        return -a * Math.Clamp(c, 1 - low, 1 + high) > -a * c;
    }
}
