using GrpoActors.Core.Completions;
using GrpoActors.Engine.Models;
using GrpoActors.Engine.Sampling;
using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Draws completions on the processor: prompts prefilled once, all rows decoded side by side.</summary>
internal sealed class CpuSampler : ISampler
{
    /// <summary>Keys and values that one wave of prompts may take, all layers together, unless a single prompt needs more: 1 GiB.</summary>
    public const long CacheFloatsMax = 1L << 28;

    public const int WaveRowsMax = 2048;

    private readonly ModelLayout _layout;
    private readonly ThreadTeam _team;
    private readonly Layers _layers;
    private readonly int _prefillTokens;
    private PackedPolicy? _packed; // these three are there or not together, so that a sampler which waits takes no memory
    private Decoder? _decoder;
    private PolicyWeights? _loaded;

    public CpuSampler(ModelLayout layout, RotaryTables rotary, EngineOptions options)
    {
        _layout = layout;
        _team = new ThreadTeam(options.Threads);
        _layers = new Layers(layout.Spec, _team, rotary);
        _prefillTokens = options.MicroBatchTokens;
    }

    public void Load(PolicyWeights weights)
    {
        if (!ReferenceEquals(_loaded, weights))
        {
            NamedTensors tensors = new(_layout, weights.Tensors);
            PackedAs format = PackedPolicy.FormatOf(_layout, tensor => tensors[tensor]);
            _loaded = null;
            if (_packed is not null && _packed.PackedAs != format)
            {
                Unload();
            }

            _packed ??= new PackedPolicy(_layout, format);
            _decoder ??= new Decoder(_layout.Spec, _layers, _packed, _prefillTokens);
            _packed.Load(tensor => tensors[tensor], _team);
            _loaded = weights;
        }
    }

    /// <summary>Bytes of the loaded matrices, and how fast they can be read where they lie.</summary>
    public (long Bytes, double BytesPerSecond) ReadWeights()
    {
        PackedMatrix[] matrices = [.. (_packed ?? throw new InvalidOperationException("No weights were loaded.")).Matrices];
        return (matrices.Sum(matrix => matrix.Bytes), Roofline.ReadBytesPerSecond(_team, matrices));
    }

    public void Unload()
    {
        _loaded = null;
        _decoder?.Dispose();
        _packed?.Dispose();
        (_decoder, _packed) = (null, null);
    }

    public IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation)
    {
        if (_loaded is null || _decoder is null)
        {
            throw new InvalidOperationException("No weights were loaded.");
        }

        SampleChecks.Check(_layout.Spec, prompts, settings);
        var completions = new List<Completion[]>(prompts.Count);
        long before = 0;
        foreach (Range wave in Waves(prompts, settings.MaxCompletionLength))
        {
            (int start, int count) = wave.GetOffsetAndLength(prompts.Count);
            long soFar = before;
            completions.AddRange(_decoder.Sample(
                [.. prompts.Skip(start).Take(count)], settings, progress is null ? null : tokens => progress(soFar + tokens), cancellation));
            before += completions.Skip(start).Sum(group => group.Sum(completion => (long)completion.Tokens.Length));
        }

        return completions;
    }

    public void Dispose()
    {
        Unload();
        _layers.Dispose();
        _team.Dispose();
    }

    /// <summary>Prompts that are sampled together: as many as the cache allows. No result depends on the cut.</summary>
    private IEnumerable<Range> Waves(IReadOnlyList<SamplePrompt> prompts, int lengthMax)
    {
        int start = 0, rows = 0;
        long floats = 0;
        for (int i = 0; i < prompts.Count; i++)
        {
            long needed = _layout.Spec.Layers * Decoder.CacheFloatsOf(_layers.Shape, prompts[i], lengthMax);
            if (i > start && (floats + needed > CacheFloatsMax || rows + prompts[i].Indices.Count > WaveRowsMax))
            {
                yield return start..i;
                (start, rows, floats) = (i, 0, 0);
            }

            floats += needed;
            rows += prompts[i].Indices.Count;
        }

        if (prompts.Count > start)
        {
            yield return start..prompts.Count;
        }
    }
}
