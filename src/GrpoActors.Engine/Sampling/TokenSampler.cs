using System.Numerics;
using System.Runtime.Intrinsics;
using GrpoActors.Core.Plans;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Sampling;

/// <summary>One drawn token.</summary>
/// <param name="LogProb">log-softmax(logits / temperature) over the whole vocabulary: no filter and no penalty enters.</param>
/// <param name="KeptMass">The share of probability that top-k, top-p and min-p left to draw from; 1 where none is on.</param>
public readonly record struct DrawnToken(int Token, float LogProb, float KeptMass);

/// <summary>
/// Which token follows from a row of logits and one uniform number: repetition penalty, temperature, top-k, top-p, min-p in this order, then a walk
/// through the vocabulary in id order.
/// </summary>
/// <remarks>
/// Probabilities become integers: the most probable token weighs 2^30, any other <c>floor(2^30 exp(z - max)), z the logit over the temperature</c>. Sums of integers do not depend on
/// their order, so neither the machine's vector width nor a sort enters; a threshold is found by counting digits (radix selection), never by sorting.
/// A token less probable than 2^-30 of the largest is never drawn.
/// Order and meaning of the filters: Hugging Face transformers (generation/logits_process.py). One deviation: among equal logits at the
/// edge of top-k or top-p the smaller ids stay; transformers keeps all equals at the edge of top-k and leaves those of top-p to its sort.
/// Not thread-safe: it holds the row that it works on.
/// </remarks>
public sealed class TokenSampler
{
    private const float One = 1 << 30;

    private readonly SamplingPlan _plan;
    private readonly bool _greedy;
    private readonly float _temperature;
    private readonly float[] _penalised_V;
    private readonly float[] _softmax_V;
    private readonly int[] _weight_V;
    private readonly ulong[] _histogram = new ulong[256];

    /// <param name="greedy">The largest logit after the penalty; ties go to the smaller id.</param>
    public TokenSampler(SamplingPlan plan, bool greedy, int vocabularySize)
    {
        _plan = plan;
        _greedy = greedy;
        _temperature = (float)plan.Temperature;
        _penalised_V = HasPenalty ? new float[vocabularySize] : [];
        _softmax_V = new float[vocabularySize];
        _weight_V = new int[vocabularySize];
    }

    private bool HasPenalty => _plan.RepetitionPenalty != 1;

    /// <summary>Whether a filter or the penalty can make the drawn distribution another than the policy's.</summary>
    public static bool Distorts(SamplingPlan plan) => plan.TopK > 0 || plan.TopP < 1 || plan.MinP > 0 || plan.RepetitionPenalty != 1;

    /// <summary>Draws a token.</summary>
    /// <param name="logits_V">Shape [V]; not changed.</param>
    /// <param name="prompt">With <paramref name="drawn"/>, what the repetition penalty looks at.</param>
    /// <param name="uniform">A multiple of 2^-24 in [0, 1); not used by a greedy rule.</param>
    /// <exception cref="NotFiniteException">The row holds NaN or infinity.</exception>
    public DrawnToken Draw(ReadOnlySpan<float> logits_V, ReadOnlySpan<int> prompt, ReadOnlySpan<int> drawn, float uniform)
    {
        SoftmaxRow row = LogProbs.Row(logits_V, _temperature, _softmax_V);
        if (!float.IsFinite(row.LogSum) || !float.IsFinite(row.Max))
        {
            throw new NotFiniteException("A row of logits holds NaN or infinity; no token can be drawn from it.");
        }

        ReadOnlySpan<float> scores_V = logits_V;
        if (HasPenalty)
        {
            Penalise(logits_V, prompt, drawn);
            scores_V = _penalised_V;
        }

        int token;
        float keptMass = 1;
        if (_greedy)
        {
            token = Largest(scores_V);
        }
        else
        {
            ulong total = Weigh(scores_V, out keptMass);
            token = Walk((ulong)(((UInt128)(uint)(uniform * (1 << 24)) * total) >> 24));
        }

        return new DrawnToken(token, LogProbs.Of(logits_V[token], _temperature, row), keptMass);
    }

    /// <summary>Writes the distribution that <see cref="Draw"/> draws from.</summary>
    /// <param name="probabilities_V">Shape [V]; sums to 1.</param>
    public void Distribution(ReadOnlySpan<float> logits_V, ReadOnlySpan<int> prompt, ReadOnlySpan<int> drawn, Span<double> probabilities_V)
    {
        LogProbs.Row(logits_V, _temperature, _softmax_V);
        if (HasPenalty)
        {
            Penalise(logits_V, prompt, drawn);
        }

        double total = Weigh(HasPenalty ? _penalised_V : logits_V, out _);
        for (int id = 0; id < _weight_V.Length; id++)
        {
            probabilities_V[id] = _weight_V[id] / total;
        }
    }

    /// <summary>Weights of the tokens that the filters leave, and their sum.</summary>
    private ulong Weigh(ReadOnlySpan<float> scores_V, out float keptMass)
    {
        ulong all = IntegerWeights();
        ulong kept = all;
        if (_plan.TopK > 0 && _plan.TopK < _weight_V.Length)
        {
            kept = KeepUpTo(scores_V, (ulong)_plan.TopK, byMass: false);
        }

        if (_plan.TopP < 1)
        {
            kept = KeepUpTo(scores_V, ulong.Max(1, (ulong)double.Ceiling(_plan.TopP * kept)), byMass: true);
        }

        if (_plan.MinP > 0)
        {
            kept = KeepAtLeast(_plan.MinP * One);
        }

        keptMass = kept == all ? 1 : (float)((double)kept / all);
        return kept;
    }

    /// <summary>A copy of the row in which each token seen before is less likely, and its softmax.</summary>
    private void Penalise(ReadOnlySpan<float> logits_V, ReadOnlySpan<int> prompt, ReadOnlySpan<int> drawn)
    {
        logits_V.CopyTo(_penalised_V);
        Penalise(logits_V, prompt);
        Penalise(logits_V, drawn);
        LogProbs.Row(_penalised_V, _temperature, _softmax_V);
    }

    private void Penalise(ReadOnlySpan<float> logits_V, ReadOnlySpan<int> seen)
    {
        float penalty = (float)_plan.RepetitionPenalty;
        foreach (int id in seen)
        {
            float logit = logits_V[id]; // from the row as it was: a token seen twice is penalised once
            _penalised_V[id] = logit < 0 ? logit * penalty : logit / penalty;
        }
    }

    private static int Largest(ReadOnlySpan<float> row_V)
    {
        int best = 0;
        for (int id = 1; id < row_V.Length; id++)
        {
            best = row_V[id] > row_V[best] ? id : best;
        }

        return best;
    }

    private ulong IntegerWeights()
    {
        ReadOnlySpan<float> softmax_V = _softmax_V;
        Span<int> weight_V = _weight_V;
        Vector512<ulong> totals = Vector512<ulong>.Zero;
        int id = 0;
        for (; id + Vector512<float>.Count <= softmax_V.Length; id += Vector512<float>.Count)
        {
            Vector512<int> weight = Vector512.ConvertToInt32(Vector512.Create(softmax_V.Slice(id, Vector512<float>.Count)) * One);
            weight.CopyTo(weight_V[id..]);
            (Vector512<ulong> low, Vector512<ulong> high) = Vector512.Widen(weight.AsUInt32());
            totals += low + high;
        }

        ulong total = 0;
        for (int lane = 0; lane < Vector512<ulong>.Count; lane++)
        {
            total += totals.GetElement(lane);
        }

        for (; id < softmax_V.Length; id++)
        {
            weight_V[id] = (int)(softmax_V[id] * One);
            total += (ulong)weight_V[id];
        }

        return total;
    }

    /// <summary>
    /// Keeps the most probable tokens, as few as make up the budget: tokens, or mass. Finds the edge digit by digit, from the most significant byte
    /// of the order-preserving bits of the score; at the edge itself the smaller ids are kept.
    /// </summary>
    private ulong KeepUpTo(ReadOnlySpan<float> scores_V, ulong budget, bool byMass)
    {
        uint edge = 0, settled = 0;
        for (int shift = 24; shift >= 0; shift -= 8)
        {
            Array.Clear(_histogram);
            for (int id = 0; id < _weight_V.Length; id++)
            {
                uint key = OrderedBits(scores_V[id]);
                if (_weight_V[id] > 0 && (key & settled) == edge)
                {
                    _histogram[(key >> shift) & 255] += byMass ? (ulong)_weight_V[id] : 1;
                }
            }

            int digit = 255;
            for (; digit > 0 && _histogram[digit] < budget; digit--)
            {
                budget -= _histogram[digit];
            }

            edge |= (uint)digit << shift;
            settled |= 255u << shift;
        }

        ulong kept = 0;
        for (int id = 0; id < _weight_V.Length; id++)
        {
            uint key = OrderedBits(scores_V[id]);
            ulong weight = (ulong)_weight_V[id];
            if (key == edge && weight > 0)
            {
                if (budget == 0)
                {
                    _weight_V[id] = 0;
                }
                else
                {
                    budget -= ulong.Min(budget, byMass ? weight : 1);
                }
            }
            else if (key < edge)
            {
                _weight_V[id] = 0;
            }

            kept += (ulong)_weight_V[id];
        }

        return kept;
    }

    private ulong KeepAtLeast(double weightMin)
    {
        ulong kept = 0;
        for (int id = 0; id < _weight_V.Length; id++)
        {
            if (_weight_V[id] < weightMin)
            {
                _weight_V[id] = 0;
            }

            kept += (ulong)_weight_V[id];
        }

        return kept;
    }

    private int Walk(ulong target)
    {
        ReadOnlySpan<int> weight_V = _weight_V;
        ulong passed = 0;
        for (int id = 0; id < weight_V.Length; id++)
        {
            passed += (ulong)weight_V[id];
            if (passed > target)
            {
                return id;
            }
        }

        throw new InvalidOperationException($"The walk passed {passed} of {target}: weights and their sum disagree.");
    }

    /// <summary>Bits whose order as unsigned integers is the order of the floats.</summary>
    private static uint OrderedBits(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }
}
