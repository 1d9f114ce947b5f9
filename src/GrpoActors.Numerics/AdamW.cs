using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using GrpoActors.Exact;

namespace GrpoActors.Numerics;

/// <summary>The numbers of one AdamW update.</summary>
/// <param name="LearningRate">Above 0.</param>
/// <param name="Beta1">Decay of the first moment, in [0, 1).</param>
/// <param name="Beta2">Decay of the second moment, in [0, 1).</param>
/// <param name="Epsilon">Added to the root of the corrected second moment.</param>
/// <param name="WeightDecay">Decoupled; 0 for tensors that are not decayed.</param>
/// <param name="BiasCorrection1">1 - Beta1^step.</param>
/// <param name="BiasCorrection2">1 - Beta2^step.</param>
/// <param name="ClipFactor">Every gradient is multiplied by it first; 1 leaves the gradient as it is.</param>
public readonly record struct AdamWUpdate(double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, double BiasCorrection1, double BiasCorrection2, float ClipFactor)
{
    /// <summary>An update with the bias corrections of a step counted from 1.</summary>
    public static AdamWUpdate At(long step, double learningRate, double beta1, double beta2, double epsilon, double weightDecay, float clipFactor)
        => new(learningRate, beta1, beta2, epsilon, weightDecay, 1 - Elementary.Pow(beta1, step), 1 - Elementary.Pow(beta2, step), clipFactor);
}

/// <summary>AdamW as in PyTorch (Loshchilov and Hutter, arXiv:1711.05101), one pass over a tensor.</summary>
public static unsafe class AdamW
{
    /// <summary>
    /// g' = clip g; p -= lr wd p; m += (1 - b1)(g' - m); v = b2 v + (1 - b2) g'^2; p -= (lr / c1) m / (sqrt(v) / sqrt(c2) + epsilon).
    /// </summary>
    /// <returns>
    /// A digest of the new p, m and v: equal numbers at equal places give equal digests, for any number of threads and any vector width. Not cryptographic.
    /// Digests of tensors are to be combined with their names by the caller.
    /// </returns>
    /// <remarks>All four spans have one length; p, m, v are changed in place, the gradient is used up: all zeros afterwards, for the next one to be added to.</remarks>
    public static ulong Step(Span<float> p, Span<float> gradient, Span<float> m, Span<float> v, in AdamWUpdate update, ThreadTeam team)
    {
        Shapes.Equal(gradient.Length, p.Length, nameof(gradient));
        Shapes.Equal(m.Length, p.Length, nameof(m));
        Shapes.Equal(v.Length, p.Length, nameof(v));
        ulong digest = 0;
        fixed (float* pp = p, pg = gradient, pm = m, pv = v)
        {
            var work = new StepWork(pp, pg, pm, pv, p.Length, update, &digest);
            team.Run((p.Length + Lanes.Block - 1) / Lanes.Block, ref work);
        }
        return digest;
    }

    private readonly struct StepWork : ITeamWork
    {
        private readonly float* _p;
        private readonly float* _g;
        private readonly float* _m;
        private readonly float* _v;
        private readonly ulong* _digest;
        private readonly nint _length;
        private readonly float _clip, _decay, _gain1, _beta2, _gain2, _root2, _epsilon, _rate;

        public StepWork(float* p, float* g, float* m, float* v, nint length, in AdamWUpdate update, ulong* digest)
        {
            _p = p;
            _g = g;
            _m = m;
            _v = v;
            _digest = digest;
            _length = length;
            _clip = update.ClipFactor;
            _decay = (float)(1 - (update.LearningRate * update.WeightDecay));
            _gain1 = (float)(1 - update.Beta1);
            _beta2 = (float)update.Beta2;
            _gain2 = (float)(1 - update.Beta2);
            _root2 = (float)Math.Sqrt(update.BiasCorrection2);
            _epsilon = (float)update.Epsilon;
            _rate = (float)(update.LearningRate / update.BiasCorrection1);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]

        public void Run(int item, int worker)
        {
            nint i = (nint)item * Lanes.Block, end = Math.Min(_length, i + Lanes.Block);
            Vector512<uint> hash = Vector512.Create((uint)item);
            for (; i + 16 <= end; i += 16)
            {
                Vector512<float> p = Vector512.Load(_p + i), m = Vector512.Load(_m + i), v = Vector512.Load(_v + i);
                hash = Update(ref p, Vector512.Load(_g + i), ref m, ref v, hash);
                p.Store(_p + i);
                m.Store(_m + i);
                v.Store(_v + i);
                Vector512<float>.Zero.Store(_g + i);
            }
            if (i < end)
            {
                int count = (int)(end - i);
                Vector512<float> p = Lanes.LoadPart(_p + i, count), m = Lanes.LoadPart(_m + i, count), v = Lanes.LoadPart(_v + i, count);
                hash = Update(ref p, Lanes.LoadPart(_g + i, count), ref m, ref v, hash);
                Lanes.StorePart(p, _p + i, count);
                Lanes.StorePart(m, _m + i, count);
                Lanes.StorePart(v, _v + i, count);
                Lanes.StorePart(Vector512<float>.Zero, _g + i, count);
            }
            ulong block = (ulong)item + 0x9E3779B97F4A7C15;
            for (int lane = 0; lane < 16; lane++)
            {
                block = (block ^ hash.GetElement(lane)) * 0xD6E8FEB86659FD93;
                block ^= block >> 32;
            }
            // Blocks carry their number, so that adding them up in any order gives one digest.
            Interlocked.Add(ref *_digest, block);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Vector512<uint> Update(ref Vector512<float> p, Vector512<float> g, ref Vector512<float> m, ref Vector512<float> v, Vector512<uint> hash)
        {
            g *= _clip;
            m = Fused.MultiplyAdd(g - m, Vector512.Create(_gain1), m);
            v = Fused.MultiplyAdd(g * g, Vector512.Create(_gain2), v * _beta2);
            Vector512<float> step = m / ((Vector512.Sqrt(v) / _root2) + Vector512.Create(_epsilon));
            p = Fused.MultiplyAdd(step, Vector512.Create(-_rate), p * _decay);
            hash = Mixed(hash, p.AsUInt32());
            hash = Mixed(hash, m.AsUInt32());
            return Mixed(hash, v.AsUInt32());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<uint> Mixed(Vector512<uint> hash, Vector512<uint> word)
        {
            hash = (hash ^ word) * 0x9E3779B1u;
            return Vector512.ShiftLeft(hash, 15) | Vector512.ShiftRightLogical(hash, 17);
        }
    }
}
