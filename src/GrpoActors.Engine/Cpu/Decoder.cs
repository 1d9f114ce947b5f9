using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Engine.Sampling;
using GrpoActors.Engine.Training;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Decodes one wave of prompts. Nothing is allocated for a token once the buffers have the size of the wave.</summary>
/// <remarks>
/// R rows (one each completion), M rows still open, P prompts, D width, V vocabulary.
/// <code>
/// cache of a layer: [prompt 0 | its rows' own keys and values ... | prompt 1 | ...]
/// prefill all prompts -> stream of their last tokens -> repeated for each row -> (head -> draw -> drop finished rows -> one layer pass over the open rows) until none is open
/// </code>
/// </remarks>
internal sealed class Decoder : IDisposable
{
    private const int StoresPerItem = 8;

    private const int LogitFloatsMax = 1 << 22;

    private readonly ModelSpec _spec;
    private readonly Layers _layers;
    private readonly PackedPolicy _packed;
    private readonly int _prefillTokens;
    private readonly FloatBuffer[] _cache;
    private readonly FloatBuffer _stream = new(), _normed = new(), _invRms = new(), _qkv = new(), _rawHeads = new(), _invRmsHeads = new();
    private readonly FloatBuffer _attended = new(), _logSumExp = new(), _middle = new(), _gateUp = new(), _activated = new(), _promptStream = new(), _logits = new();
    private readonly TokenSampler[] _rules;
    private SampleSettings? _settings;
    private DecodingRow[] _rows = [];
    private int[] _open = [], _tokens = [], _positions = [], _offsets = [], _drawn = [];
    private float[] _drawnLogProbs = [];
    private KvRow[] _kvRows = [];
    private int _lengthMax;

    public Decoder(ModelSpec spec, Layers layers, PackedPolicy packed, int prefillTokens)
    {
        _spec = spec;
        _layers = layers;
        _packed = packed;
        _prefillTokens = prefillTokens;
        _cache = [.. Enumerable.Range(0, spec.Layers).Select(_ => new FloatBuffer())];
        _rules = new TokenSampler[layers.Team.Threads];
    }

    /// <summary>Floats of one layer's cache that a prompt and its completions take.</summary>
    public static long CacheFloatsOf(AttentionShape shape, SamplePrompt prompt, int lengthMax)
        => shape.SegmentFloats(0, prompt.Tokens.Length) + prompt.Indices.Count * shape.SegmentFloats(prompt.Tokens.Length, lengthMax);

    /// <summary>Memory that one call takes: keys and values, and what the rows of a layer and their logits take; the prefill's rows where they are more.</summary>
    public static long BytesOf(ModelSpec spec, SampleShape shape, int prefillTokens)
    {
        var attention = new AttentionShape(spec.Heads, spec.KeyValueHeads, spec.HeadDim);
        long ofPrompt = spec.Layers * (attention.SegmentFloats(0, shape.PromptTokens) + shape.Completions * attention.SegmentFloats(shape.PromptTokens, shape.CompletionTokens));
        long prompts = Math.Clamp(Math.Min(CpuSampler.CacheFloatsMax / Math.Max(1, ofPrompt), CpuSampler.WaveRowsMax / shape.Completions), 1, shape.Prompts);
        long rows = prompts * shape.Completions, prefilled = Math.Min(Math.Max(prefillTokens, shape.PromptTokens), prompts * shape.PromptTokens);
        long q = (long)spec.Heads * spec.HeadDim, kv = (long)spec.KeyValueHeads * spec.HeadDim;
        long row = 3L * spec.HiddenSize + q + 2 * kv + (spec.QkNorm ? q + kv : 0) + q + spec.Heads + 3L * spec.IntermediateSize;
        return sizeof(float) * (prompts * ofPrompt + Math.Max(rows, prefilled) * row + Math.Min(rows, Math.Max(1, LogitFloatsMax / spec.VocabularySize)) * spec.VocabularySize + 2 * rows * shape.CompletionTokens);
    }

    public IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation)
    {
        Begin(prompts, settings);
        int open = PlaceRows(prompts);
        Prefill(prompts, cancellation);
        Span<float> stream_RD = _stream.AtLeast(open, _layers.D), promptStream_PD = _promptStream.AtLeast(prompts.Count, _layers.D);
        for (int row = 0; row < open; row++)
        {
            promptStream_PD.Slice(_rows[row].PromptIndex * _layers.D, _layers.D).CopyTo(stream_RD[(row * _layers.D)..]);
        }

        long tokens = 0;
        while (open > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            Draw(open);
            tokens += open;
            progress?.Invoke(tokens);
            open = DropFinished(open);
            if (open > 0)
            {
                Advance(open);
            }
        }

        return Completions(prompts);
    }

    public void Dispose()
    {
        foreach (FloatBuffer buffer in (IEnumerable<FloatBuffer>)
            [.. _cache, _stream, _normed, _invRms, _qkv, _rawHeads, _invRmsHeads, _attended, _logSumExp, _middle, _gateUp, _activated, _promptStream, _logits])
        {
            buffer.Dispose();
        }
    }

    private void Begin(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings)
    {
        if (_settings is null || _settings.Plan != settings.Plan || _settings.Greedy != settings.Greedy)
        {
            for (int i = 0; i < _rules.Length; i++)
            {
                _rules[i] = new TokenSampler(settings.Plan, settings.Greedy, _spec.VocabularySize);
            }
        }

        _settings = settings;
        _lengthMax = settings.MaxCompletionLength;
        int rows = prompts.Sum(prompt => prompt.Indices.Count), prefill = Math.Max(_prefillTokens, prompts.Max(prompt => prompt.Tokens.Length));
        Grow(ref _rows, rows);
        Grow(ref _open, rows);
        Grow(ref _kvRows, rows);
        Grow(ref _tokens, Math.Max(rows, prefill));
        Grow(ref _positions, Math.Max(rows, prefill));
        Grow(ref _offsets, prompts.Count + 1);
        Grow(ref _drawn, checked(rows * _lengthMax));
        Grow(ref _drawnLogProbs, checked(rows * _lengthMax));
    }

    /// <summary>Gives every prompt and every row its place in the caches.</summary>
    private int PlaceRows(IReadOnlyList<SamplePrompt> prompts)
    {
        long floats = 0;
        int row = 0;
        for (int i = 0; i < prompts.Count; i++)
        {
            SamplePrompt prompt = prompts[i];
            long prefix = floats;
            floats += _layers.Shape.SegmentFloats(0, prompt.Tokens.Length);
            foreach (int index in prompt.Indices)
            {
                _open[row] = row;
                _rows[row++] = new DecodingRow(prompt, i, index, checked((int)prefix), checked((int)floats), _settings!.StopTexts?.Invoke());
                floats += _layers.Shape.SegmentFloats(prompt.Tokens.Length, _lengthMax);
            }
        }

        if (floats > int.MaxValue)
        {
            throw new NotSupportedException($"One prompt's keys and values would take {floats} floats a layer; at most {int.MaxValue} are supported. Ask for fewer completions at once.");
        }

        foreach (FloatBuffer cache in _cache)
        {
            cache.AtLeast((int)floats);
        }

        return row;
    }

    private void Prefill(IReadOnlyList<SamplePrompt> prompts, CancellationToken cancellation)
    {
        _promptStream.AtLeast(prompts.Count, _layers.D);
        foreach ((int start, int count) in MicroBatches.Cut(prompts.Count, i => prompts[i].Tokens.Length, _prefillTokens))
        {
            cancellation.ThrowIfCancellationRequested();
            PrefillSome(prompts, start, count);
        }
    }

    private void PrefillSome(IReadOnlyList<SamplePrompt> prompts, int start, int count)
    {
        int tokens = 0, d = _layers.D;
        for (int i = 0; i < count; i++)
        {
            int[] prompt = prompts[start + i].Tokens;
            _offsets[i] = tokens;
            prompt.CopyTo(_tokens, tokens);
            for (int position = 0; position < prompt.Length; position++)
            {
                _positions[tokens++] = position;
            }
        }

        _offsets[count] = tokens;
        ReadOnlySpan<int> offsets = _offsets.AsSpan(0, count + 1);
        Span<float> x_TD = _stream.AtLeast(tokens, d), attended_TQ = _attended.AtLeast(tokens, _layers.Q);
        _packed.Embed(_tokens.AsSpan(0, tokens), x_TD);
        for (int layer = 0; layer < _packed.Layers.Count; layer++)
        {
            Span<float> qkv_TE = QueriesKeysValues(layer, x_TD, tokens), k_TE = qkv_TE[_layers.Q..], v_TE = k_TE[_layers.Kv..];
            Attention.Forward(_layers.Shape, offsets, qkv_TE, _layers.Qkv, k_TE, v_TE, _layers.Qkv, attended_TQ, _logSumExp.AtLeast(tokens, _layers.Heads), _layers.Team);
            StorePrompts(prompts, start, offsets, k_TE, v_TE, layer);
            AfterAttention(layer, x_TD, attended_TQ, tokens);
        }

        Span<float> last_PD = _promptStream.AtLeast(prompts.Count, d);
        for (int i = 0; i < count; i++)
        {
            x_TD.Slice((offsets[i + 1] - 1) * d, d).CopyTo(last_PD[((start + i) * d)..]);
        }
    }

    private void StorePrompts(IReadOnlyList<SamplePrompt> prompts, int start, ReadOnlySpan<int> offsets, ReadOnlySpan<float> k_TE, ReadOnlySpan<float> v_TE, int layer)
    {
        Span<float> cache = CacheOf(layer);
        long floats = 0;
        for (int i = 0; i < start + offsets.Length - 1; i++)
        {
            if (i >= start)
            {
                int from = offsets[i - start] * _layers.Qkv;
                Attention.Store(_layers.Shape, k_TE[from..], v_TE[from..], _layers.Qkv, 0, prompts[i].Tokens.Length, cache, (int)floats, 0);
            }

            floats += CacheFloatsOf(_layers.Shape, prompts[i], _lengthMax);
        }
    }

    /// <summary>One token for each open row, from the stream's rows.</summary>
    private void Draw(int open)
    {
        int d = _layers.D, vocabulary = _spec.VocabularySize, chunkRows = Math.Max(1, LogitFloatsMax / vocabulary);
        Span<float> normed_MD = _normed.AtLeast(open, d);
        RmsNorm.Forward(_stream.AtLeast(open, d), _packed.FinalNorm_D, _layers.Epsilon, normed_MD, _invRms.AtLeast(open), _layers.Team);
        for (int start = 0; start < open; start += chunkRows)
        {
            int count = Math.Min(chunkRows, open - start);
            Gemm.Forward(normed_MD.Slice(start * d, count * d), _packed.Head, _logits.AtLeast(count, vocabulary), _layers.Team);
            var work = new DrawWork(this, start, count);
            _layers.Team.Run(count, ref work);
        }
    }

    private readonly struct DrawWork(Decoder decoder, int start, int count) : ITeamWork
    {
        public void Run(int item, int worker)
        {
            int vocabulary = decoder._spec.VocabularySize;
            decoder.DrawFor(decoder._open[start + item], decoder._logits.AtLeast(count, vocabulary).Slice(item * vocabulary, vocabulary), worker);
        }
    }

    private void DrawFor(int rowIndex, ReadOnlySpan<float> logits_V, int worker)
    {
        ref DecodingRow row = ref _rows[rowIndex];
        float uniform = _settings!.Greedy ? 0 : row.Prompt.Random.Uniform((uint)row.Index, (uint)row.Length);
        int at = rowIndex * _lengthMax;
        DrawnToken drawn = _rules[worker].Draw(logits_V, row.Prompt.Tokens, _drawn.AsSpan(at, row.Length), uniform);
        _drawn[at + row.Length] = drawn.Token;
        _drawnLogProbs[at + row.Length] = drawn.LogProb;
        row.KeptMass += drawn.KeptMass;
        row.Length++;
    }

    /// <summary>Rows that have ended leave; the others keep their order, so that those of a group stay neighbours.</summary>
    private int DropFinished(int open)
    {
        ImmutableArray<int> eos = _settings!.Plan.EosTokens;
        int left = 0;
        for (int i = 0; i < open; i++)
        {
            ref DecodingRow row = ref _rows[_open[i]];
            int token = _drawn[_open[i] * _lengthMax + row.Length - 1];
            bool isEos = eos.IsDefaultOrEmpty ? _spec.EosTokens.Contains(token) : eos.Contains(token);
            bool isStop = !isEos && row.Scanner is { } scanner && scanner.Accept(token);
            if (isEos || isStop || row.Length == _lengthMax)
            {
                row.Finish = isEos ? FinishReason.Eos : isStop ? FinishReason.StopString : FinishReason.Length;
            }
            else
            {
                _open[left++] = _open[i];
            }
        }

        return left;
    }

    /// <summary>Feeds every open row's last token through the layers.</summary>
    private void Advance(int open)
    {
        int d = _layers.D;
        for (int i = 0; i < open; i++)
        {
            DecodingRow row = _rows[_open[i]];
            _tokens[i] = _drawn[_open[i] * _lengthMax + row.Length - 1];
            _positions[i] = row.Prompt.Tokens.Length + row.Length - 1;
            _kvRows[i] = new KvRow(row.PrefixOffset, row.Prompt.Tokens.Length, row.SuffixOffset, row.Length);
        }

        ReadOnlySpan<KvRow> kvRows = _kvRows.AsSpan(0, open);
        Span<float> x_MD = _stream.AtLeast(open, d), attended_MQ = _attended.AtLeast(open, _layers.Q);
        _packed.Embed(_tokens.AsSpan(0, open), x_MD);
        for (int layer = 0; layer < _packed.Layers.Count; layer++)
        {
            Span<float> qkv_ME = QueriesKeysValues(layer, x_MD, open), cache = CacheOf(layer);
            var store = new StoreWork(this, layer, open);
            _layers.Team.Run((open + StoresPerItem - 1) / StoresPerItem, ref store);
            Attention.Decode(_layers.Shape, qkv_ME, _layers.Qkv, cache, kvRows, attended_MQ, _layers.Team);
            AfterAttention(layer, x_MD, attended_MQ, open);
        }
    }

    /// <summary>Puts the new key and value of every open row into its own part of the cache.</summary>
    private readonly struct StoreWork(Decoder decoder, int layer, int open) : ITeamWork
    {
        public void Run(int item, int worker)
        {
            Layers layers = decoder._layers;
            Span<float> qkv_ME = decoder._qkv.AtLeast(open, layers.Qkv), cache = decoder.CacheOf(layer);
            for (int i = item * StoresPerItem; i < Math.Min(open, (item + 1) * StoresPerItem); i++)
            {
                Span<float> k_E = qkv_ME.Slice(i * layers.Qkv + layers.Q, 2 * layers.Kv);
                KvRow row = decoder._kvRows[i];
                Attention.Store(layers.Shape, k_E, k_E[layers.Kv..], layers.Qkv, decoder._positions[i], 1, cache, row.SuffixOffset, row.PrefixLength);
            }
        }
    }

    private Span<float> QueriesKeysValues(int layer, ReadOnlySpan<float> x_TD, int tokens)
    {
        Span<float> qkv_TE = _qkv.AtLeast(tokens, _layers.Qkv);
        _layers.QueriesKeysValues(
            _packed.Layers[layer], x_TD, _positions.AsSpan(0, tokens), _normed.AtLeast(tokens, _layers.D), _invRms.AtLeast(tokens), qkv_TE,
            _spec.QkNorm ? _rawHeads.AtLeast(tokens, _layers.Q + _layers.Kv) : [], _spec.QkNorm ? _invRmsHeads.AtLeast(tokens, _layers.Heads + _layers.KeyValueHeads) : []);
        return qkv_TE;
    }

    private void AfterAttention(int layer, Span<float> x_TD, ReadOnlySpan<float> attended_TQ, int tokens)
        => _layers.AfterAttention(
            _packed.Layers[layer], x_TD, attended_TQ, tokens, _middle.AtLeast(tokens, _layers.D), _normed.AtLeast(tokens, _layers.D), _invRms.AtLeast(tokens),
            _gateUp.AtLeast(tokens, 2 * _layers.F), _activated.AtLeast(tokens, _layers.F), x_TD);

    private Span<float> CacheOf(int layer) => _cache[layer].Whole;

    private Completion[][] Completions(IReadOnlyList<SamplePrompt> prompts)
    {
        var completions = new Completion[prompts.Count][];
        int row = 0;
        for (int i = 0; i < prompts.Count; i++)
        {
            completions[i] = new Completion[prompts[i].Indices.Count];
            for (int j = 0; j < completions[i].Length; j++, row++)
            {
                DecodingRow done = _rows[row];
                int at = row * _lengthMax;
                completions[i][j] = new Completion(
                    done.Index, [.. _drawn.AsSpan(at, done.Length)], [.. _drawnLogProbs.AsSpan(at, done.Length)], done.Finish, (float)(done.KeptMass / done.Length));
            }
        }

        return completions;
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            array = new T[length];
        }
    }

    /// <summary>One completion on its way.</summary>
    private struct DecodingRow(SamplePrompt prompt, int promptIndex, int index, int prefixOffset, int suffixOffset, IStopScanner? scanner)
    {
        public readonly SamplePrompt Prompt = prompt;
        public readonly int PromptIndex = promptIndex, Index = index, PrefixOffset = prefixOffset, SuffixOffset = suffixOffset;
        public readonly IStopScanner? Scanner = scanner;
        public int Length;
        public double KeptMass;
        public FinishReason Finish;
    }
}
