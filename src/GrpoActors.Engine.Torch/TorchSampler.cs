using System.Collections.Immutable;
using System.Runtime.InteropServices;
using GrpoActors.Core.Completions;
using GrpoActors.Engine.Models;
using GrpoActors.Engine.Sampling;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace GrpoActors.Engine.Torch;

/// <summary>Draws completions on a device: each prompt prefilled once, its completions decoded side by side.</summary>
/// <remarks>
/// The kernels of libtorch choose their order of sums by the number of rows. So that a ticket gives the same tokens whatever else is sampled beside it,
/// the rows of a product are those of one prompt: their number follows from the group alone. Tokens are drawn on the host by
/// <see cref="TokenSampler"/>, as the CPU engine draws them.
/// </remarks>
internal sealed class TorchSampler(ModelLayout layout, Transformer model) : ISampler
{
    private readonly Rotation _rotation = new(model.Spec, model.Device);
    private TorchWeights? _weights;
    private PolicyWeights? _loaded;
    private float[] _logits = [];

    public void Load(PolicyWeights weights)
    {
        if (ReferenceEquals(_loaded, weights))
        {
            return;
        }

        _loaded = null;
        if (_weights is null)
        {
            _weights = new TorchWeights(layout, weights.Tensors, model.Device, model.Dtype, learns: false);
        }
        else
        {
            _weights.CopyFrom(weights.Tensors);
        }

        _loaded = weights;
    }

    public void Unload()
    {
        _weights?.Dispose();
        (_weights, _loaded) = (null, null);
    }

    public IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation)
    {
        if (_loaded is null || _weights is null)
        {
            throw new InvalidOperationException("No weights were loaded.");
        }

        SampleChecks.Check(model.Spec, prompts, settings);
        var completions = new List<Completion[]>(prompts.Count);
        long drawn = 0;
        foreach (SamplePrompt prompt in prompts)
        {
            using var scope = NewDisposeScope();
            using IDisposable still = inference_mode();
            try
            {
                completions.Add(Sample(_weights, prompt, settings, tokens => progress?.Invoke(drawn += tokens), cancellation));
            }
            catch (ExternalException failure) when (DeviceMemory.IsExhausted(failure))
            {
                throw DeviceMemory.Exhausted("sampling", failure);
            }
        }

        return completions;
    }

    public void Dispose()
    {
        Unload();
        _rotation.Dispose();
    }

    private Completion[] Sample(TorchWeights weights, SamplePrompt prompt, SampleSettings settings, Action<long> progress, CancellationToken cancellation)
    {
        Row[] rows = [.. prompt.Indices.Select(index => new Row(index, settings, model.Spec.VocabularySize))];
        Row?[] placed = [.. rows]; // which row stands at a place of the cache; null: a row that has ended
        var cache = new KeyValueCache(model, rows.Length, prompt.Tokens.Length + settings.MaxCompletionLength);
        Tensor stream = Prefill(weights, prompt.Tokens, cache).expand(rows.Length, -1);
        for (int length = 0; ; length++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Draw(weights, stream, placed, prompt, settings);
            progress(placed.Count(row => row is not null));
            for (int i = 0; i < placed.Length; i++)
            {
                placed[i] = placed[i] is { } row && !row.Ends(settings, model.Spec) ? row : null;
            }

            int open = placed.Count(row => row is not null);
            if (open == 0)
            {
                return [.. rows.Select(row => row.Done())];
            }

            if (open <= placed.Length / 2)
            {
                cache.Keep([.. Enumerable.Range(0, placed.Length).Where(i => placed[i] is not null)]);
                placed = [.. placed.Where(row => row is not null)];
            }

            stream = Advance(weights, placed, prompt.Tokens.Length + length, cache).MoveToOuterDisposeScope();
        }
    }

    /// <summary>The stream of the prompt's last token, shape [1, D].</summary>
    private Tensor Prefill(TorchWeights weights, int[] tokens, KeyValueCache cache)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = model.Embed(weights, tensor([.. tokens.Select(token => (long)token)], device: model.Device));
        var rotation = _rotation.Of(arange(tokens.Length, ScalarType.Int64, model.Device));
        for (int i = 0; i < weights.Layers.Count; i++)
        {
            using DisposeScope ofLayer = NewDisposeScope();
            var (q, k, v) = model.Project(weights.Layers[i], x, rotation);
            cache.Store(i, 0, k, v);
            Tensor attended = scaled_dot_product_attention(Heads(q), Heads(model.RepeatHeads(k)), Heads(model.RepeatHeads(v)), is_casual: true);
            x = model.Finish(weights.Layers[i], x, attended.squeeze(0).transpose(0, 1).reshape(tokens.Length, -1)).MoveToOuterDisposeScope();
        }

        return x.narrow(0, tokens.Length - 1, 1).clone().MoveToOuterDisposeScope();
    }

    /// <summary>Feeds every row's last token through the layers.</summary>
    private Tensor Advance(TorchWeights weights, Row?[] placed, int position, KeyValueCache cache)
    {
        Tensor x = model.Embed(weights, tensor([.. placed.Select(row => (long)(row?.Last ?? 0))], device: model.Device));
        var rotation = _rotation.Of(position);
        int keyValueHeads = model.Spec.KeyValueHeads, queries = model.Spec.Heads / keyValueHeads;
        for (int i = 0; i < weights.Layers.Count; i++)
        {
            using DisposeScope ofLayer = NewDisposeScope();
            var (q, k, v) = model.Project(weights.Layers[i], x, rotation);
            cache.Store(i, position, k.unsqueeze(2), v.unsqueeze(2));
            (Tensor keys, Tensor values) = cache.UpTo(i, position + 1);

            // The query heads of a key-value head stand where a sequence's queries would: no key is copied for them.
            Tensor attended = scaled_dot_product_attention(q.view(placed.Length, keyValueHeads, queries, model.Spec.HeadDim), keys, values);
            x = model.Finish(weights.Layers[i], x, attended.reshape(placed.Length, -1)).MoveToOuterDisposeScope();
        }

        return x;
    }

    private void Draw(TorchWeights weights, Tensor stream, Row?[] placed, SamplePrompt prompt, SampleSettings settings)
    {
        int vocabulary = model.Spec.VocabularySize;
        Tensor logits = model.Logits(weights, model.FinalNorm(weights, stream)).cpu().contiguous();
        int count = placed.Length * vocabulary;
        if (_logits.Length < count)
        {
            _logits = new float[count];
        }

        MemoryMarshal.Cast<byte, float>(logits.bytes).CopyTo(_logits);
        Parallel.For(0, placed.Length, i => placed[i]?.Draw(_logits.AsSpan(i * vocabulary, vocabulary), prompt, settings));
    }

    /// <summary>Shape [1, H, T, N].</summary>
    private static Tensor Heads(Tensor heads) => heads.transpose(0, 1).unsqueeze(0);

    /// <summary>One completion on its way.</summary>
    private sealed class Row(int index, SampleSettings settings, int vocabulary)
    {
        private readonly TokenSampler _sampler = new(settings.Plan, settings.Greedy, vocabulary);
        private readonly IStopScanner? _scanner = settings.StopTexts?.Invoke();
        private readonly List<int> _tokens = [];
        private readonly List<float> _logProbs = [];
        private double _keptMass;
        private FinishReason _finish;

        public int Last => _tokens[^1];

        public void Draw(ReadOnlySpan<float> logits_V, SamplePrompt prompt, SampleSettings settings)
        {
            float uniform = settings.Greedy ? 0 : prompt.Random.Uniform((uint)index, (uint)_tokens.Count);
            DrawnToken drawn = _sampler.Draw(logits_V, prompt.Tokens, CollectionsMarshal.AsSpan(_tokens), uniform);
            _tokens.Add(drawn.Token);
            _logProbs.Add(drawn.LogProb);
            _keptMass += drawn.KeptMass;
        }

        public bool Ends(SampleSettings settings, ModelSpec spec)
        {
            ImmutableArray<int> eos = settings.Plan.EosTokens;
            bool isEos = eos.IsDefaultOrEmpty ? spec.EosTokens.Contains(Last) : eos.Contains(Last);
            bool isStop = !isEos && _scanner is not null && _scanner.Accept(Last);
            _finish = isEos ? FinishReason.Eos : isStop ? FinishReason.StopString : FinishReason.Length;
            return isEos || isStop || _tokens.Count == settings.MaxCompletionLength;
        }

        public Completion Done() => new(index, [.. _tokens], [.. _logProbs], _finish, (float)(_keptMass / _tokens.Count));
    }
}
