using System.CommandLine;
using System.Diagnostics;
using GrpoActors.Engine;
using GrpoActors.Engine.Measurement;
using GrpoActors.Numerics;

namespace GrpoActors.Benchmarks;

/// <summary><c>kernels</c>: each kernel at the shapes of a model, against operations / peak or bytes / bandwidth.</summary>
internal static class KernelsCommand
{
    private const int Sequences = 8, SequenceTokens = 128;

    public static Command Build() => new Benchmark(
        "kernels",
        $"Runs every kernel at SmolLM2-135M's and the arithmetic recipe's shapes, {Sequences} sequences of {SequenceTokens} (16 of 64) tokens. Matrix products and attention: share of the multiply-add peak; the others: bytes moved against the bandwidth of reading (over 100 %: in cache).",
        (settings, report) =>
        {
            Limits limits = Benchmark.MeasureLimits(settings.Threads, report);
            using var team = new ThreadTeam(settings.Threads);
            Kernels[] shapes =
            [
                new(settings, report, limits, team, "smollm2", Models.SmolLM2, Sequences, SequenceTokens),
                new(settings, report, limits, team, "tiny", Models.Arithmetic, 16, 64),
            ];
            foreach (Kernels kernels in shapes)
            {
                kernels.Run();
            }

            if (OpenBlas.Load(settings.Threads) is not { } blas)
            {
                Console.Error.WriteLine("OpenBLAS: not found (libopenblas.so.0), so nothing is compared with it.");
                return;
            }

            Console.Error.WriteLine($"OpenBLAS: core type {blas.CoreType}; OPENBLAS_CORETYPE chooses another.");
            foreach (Kernels kernels in shapes)
            {
                kernels.RunOpenBlas(blas);
            }
        });

    private sealed class Kernels(Settings settings, Report report, Limits limits, ThreadTeam team, string name, ModelSpec spec, int sequences, int sequenceTokens)
    {
        private readonly int _tokens = sequences * sequenceTokens;
        private readonly AttentionShape _shape = new(spec.Heads, spec.KeyValueHeads, spec.HeadDim);
        private int _qkv, _q, _kv;

        public void Run()
        {
            (_q, _kv) = (spec.Heads * spec.HeadDim, spec.KeyValueHeads * spec.HeadDim);
            _qkv = _q + 2 * _kv;
            foreach ((string which, int outputs, int inputs, int tokens) in Matrices())
            {
                Products(which, outputs, inputs, tokens);
            }

            AttentionOfSequences();
            RowByRow();
            Optimiser();
        }

        private (string Which, int Outputs, int Inputs, int Tokens)[] Matrices() =>
        [
            ("q k v", _qkv, spec.HiddenSize, _tokens),
            ("o", spec.HiddenSize, _q, _tokens),
            ("gate up", 2 * spec.IntermediateSize, spec.HiddenSize, _tokens),
            ("down", spec.HiddenSize, spec.IntermediateSize, _tokens),
            ("head", spec.VocabularySize, spec.HiddenSize, Math.Min(_tokens, 128)),
        ];

        /// <summary>The three products of one weight matrix [E, D].</summary>
        private void Products(string which, int outputs, int inputs, int tokens)
        {
            using PackedMatrix packed = new(outputs, inputs), half = new(outputs, inputs, PackedAs.BFloat16), lent = new(outputs, inputs, PackedAs.Lent);
            float[] w = Numbers((long)outputs * inputs);
            packed.Pack(w, team);
            half.Pack(w, team);
            lent.Lend(w);
            using NativeFloats x = new((long)tokens * inputs), y = new((long)tokens * outputs), dw = new((long)outputs * inputs);
            double flops = 2.0 * tokens * outputs * inputs;
            string shape = $"[{tokens}, {inputs}] x [{inputs}, {outputs}]";
            Compute($"gemm {which} forward, packed {shape}", flops, () => Gemm.Forward(x.Span, packed, y.Span, team));
            Compute($"gemm {which} forward, packed as bfloat16", flops, () => Gemm.Forward(x.Span, half, y.Span, team));
            Compute($"gemm {which} forward", flops, () => Gemm.Forward(x.Span, lent, y.Span, team));
            Compute($"gemm {which} input gradient", flops, () => Gemm.InputGradient(y.Span, lent, x.Span, team));
            Compute($"gemm {which} weight gradient", flops, () => Gemm.WeightGradient(y.Span, x.Span, dw.Span, team));
        }

        /// <summary>The same products by OpenBLAS. Last of all: its threads go on spinning for a while after a product.</summary>
        public void RunOpenBlas(OpenBlas blas)
        {
            foreach ((string which, int outputs, int inputs, int tokens) in Matrices())
            {
                using NativeFloats x = new((long)tokens * inputs), y = new((long)tokens * outputs), w = new((long)outputs * inputs), dw = new((long)outputs * inputs);
                double flops = 2.0 * tokens * outputs * inputs;
                Compute($"OpenBLAS {which} forward", flops, () => blas.Multiply(tokens, outputs, inputs, x, false, w, true, y, 0));
                Compute($"OpenBLAS {which} input gradient", flops, () => blas.Multiply(tokens, inputs, outputs, y, false, w, false, x, 0));
                Compute($"OpenBLAS {which} weight gradient", flops, () => blas.Multiply(outputs, inputs, tokens, y, true, x, false, dw, 1));
            }
        }

        private void AttentionOfSequences()
        {
            int[] offsets = [.. Enumerable.Range(0, sequences + 1).Select(sequence => sequence * sequenceTokens)];
            float[] qkv_TE = Numbers((long)_tokens * _qkv), o_TQ = new float[_tokens * _q], logSumExp_TH = new float[_tokens * spec.Heads];
            float[] do_TQ = Numbers((long)_tokens * _q), dqkv_TE = new float[_tokens * _qkv];
            // Scores and weighted values of every pair that the causal mask leaves; the gradient has twice as many products.
            double flops = 4.0 * sequences * spec.Heads * spec.HeadDim * sequenceTokens * (sequenceTokens + 1) / 2;
            Compute("attention forward", flops, () => Attention.Forward(
                _shape, offsets, qkv_TE, _qkv, qkv_TE.AsSpan(_q), qkv_TE.AsSpan(_q + _kv), _qkv, o_TQ, logSumExp_TH, team));
            Compute("attention backward", 2 * flops, () => Attention.Backward(
                _shape, offsets, qkv_TE, _qkv, qkv_TE.AsSpan(_q), qkv_TE.AsSpan(_q + _kv), _qkv, o_TQ, logSumExp_TH, do_TQ,
                dqkv_TE, dqkv_TE.AsSpan(_q), dqkv_TE.AsSpan(_q + _kv), team));
        }

        private void RowByRow()
        {
            int d = spec.HiddenSize, f = spec.IntermediateSize, v = spec.VocabularySize, scored = Math.Min(_tokens, (1 << 22) / v);
            float[] x_TD = Numbers((long)_tokens * d), y_TD = new float[_tokens * d], weight_D = Numbers(d), dweight_D = new float[d], invRms_T = new float[_tokens];
            Move("rms norm forward", 2L * _tokens * d, () => RmsNorm.Forward(x_TD, weight_D, 1e-5f, y_TD, invRms_T, team));
            Move("rms norm backward", 4L * _tokens * d, () => RmsNorm.Backward(x_TD, weight_D, invRms_T, x_TD, y_TD, dweight_D, accumulate: true, team));
            float[] qkv_TE = Numbers((long)_tokens * _qkv), cos = new float[sequenceTokens * spec.HeadDim / 2], sin = new float[sequenceTokens * spec.HeadDim / 2];
            double[] inverse_N2 = new double[spec.HeadDim / 2];
            RotaryFrequencies.Default(spec.Rope.Theta, inverse_N2);
            Rope.Tables(inverse_N2, 1, cos, sin);
            int[] position_T = [.. Enumerable.Range(0, _tokens).Select(token => token % sequenceTokens)];
            Move("rope", 2L * _tokens * (_q + _kv), () => Rope.Forward(qkv_TE, _qkv, spec.Heads + spec.KeyValueHeads, spec.HeadDim, position_T, cos, sin, team));
            float[] gateUp_T2F = Numbers(2L * _tokens * f), y_TF = Numbers((long)_tokens * f), dGateUp_T2F = new float[2 * _tokens * f];
            Move("swiglu forward", 3L * _tokens * f, () => SwiGlu.Forward(gateUp_T2F, gateUp_T2F.AsSpan(f), 2 * f, y_TF, _tokens, team));
            Move("swiglu backward", 5L * _tokens * f, () => SwiGlu.Backward(gateUp_T2F, gateUp_T2F.AsSpan(f), 2 * f, y_TF, dGateUp_T2F, dGateUp_T2F.AsSpan(f), 2 * f, _tokens, team));
            float[] logits_TV = Numbers((long)scored * v), logProb_T = new float[scored], entropy_T = new float[scored];
            int[] target_T = [.. Enumerable.Range(0, scored).Select(token => token * 31 % v)];
            var rows_T = new SoftmaxRow[scored];
            Move("log-prob forward", 2L * scored * v, () => LogProbs.Forward(logits_TV, target_T, 1, logProb_T, entropy_T, rows_T, team));
            Move("log-prob backward", 2L * scored * v, () => LogProbs.Backward(logits_TV, target_T, 1, rows_T, logProb_T, [], team));
        }

        private void Optimiser()
        {
            int count = spec.VocabularySize * spec.HiddenSize;
            float[] p = Numbers(count), gradient = Numbers(count), m = new float[count], v = new float[count];
            AdamWUpdate update = new(1e-12, Beta1: 0, Beta2: 0, 1e-8, 0, 1, 1, 1); // the gradient is used up: moments that faded would be denormal
            Move("adamw", 8L * count, () => AdamW.Step(p, gradient, m, v, update, team));
        }

        private void Compute(string kernel, double flops, Action run)
        {
            Timing timing = Repeated(flops / limits.FlopsPerSecond, run);
            report.Add(new Row($"{name}: {kernel}", flops / timing.Seconds / 1e9, "GFLOP/s", limits.FlopsPerSecond / 1e9, timing.BytesAllocated));
        }

        private void Move(string kernel, long floats, Action run)
        {
            double bytes = floats * sizeof(float);
            Timing timing = Repeated(bytes / limits.BytesPerSecond, run);
            report.Add(new Row($"{name}: {kernel}", bytes / timing.Seconds / 1e9, "GB/s", limits.BytesPerSecond / 1e9, timing.BytesAllocated));
        }

        /// <summary>One call; each run makes as many as take some 20 milliseconds at the limit. Calls before that go on until the code is compiled as it stays.</summary>
        private Timing Repeated(double secondsAtLimit, Action run)
        {
            int repeats = (int)Math.Clamp(0.02 / secondsAtLimit, 1, 10000);
            for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 0.2;)
            {
                run();
            }

            Timing all = Timing.Of(settings.Runs, () =>
            {
                for (int i = 0; i < repeats; i++)
                {
                    run();
                }
            });
            return new Timing(all.Seconds / repeats, all.BytesAllocated / repeats);
        }

        /// <summary>Small numbers of both signs.</summary>
        private static float[] Numbers(long count)
        {
            float[] numbers = new float[count];
            for (int i = 0; i < numbers.Length; i++)
            {
                numbers[i] = ((i * 2654435761L >> 8) & 1023) / 1024f - 0.5f;
            }

            return numbers;
        }
    }
}
