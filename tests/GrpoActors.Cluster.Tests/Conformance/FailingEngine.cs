using System.Collections.Concurrent;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;

namespace GrpoActors.Cluster.Tests.Conformance;

/// <summary>The CPU's engine, whose generators fail once at each of these versions.</summary>
internal sealed class FailingEngine : IEngineProvider
{
    private readonly CpuEngineProvider cpu = new();
    private readonly ConcurrentDictionary<long, bool> versions;

    private FailingEngine(long[] versions) => this.versions = new(versions.Select(version => KeyValuePair.Create(version, true)));

    public string Name { get; } = $"failing-{Guid.NewGuid():N}";

    public string NumericsRevision => cpu.NumericsRevision;

    /// <summary>Versions at which it has not failed yet.</summary>
    public int Left => versions.Count;

    public static FailingEngine At(params long[] versions)
    {
        var engine = new FailingEngine(versions);
        EngineProviders.Register(engine);
        return engine;
    }

    public IEngine Open(ModelSpec spec, EngineOptions options) => new Engine(cpu.Open(spec, options), versions);

    private sealed class Engine(IEngine engine, ConcurrentDictionary<long, bool> versions) : IEngine
    {
        public EngineTraits Traits => engine.Traits;

        public ISampler OpenSampler() => new Sampler(engine.OpenSampler(), versions);

        public ITrainer OpenTrainer(PolicyWeights weights) => engine.OpenTrainer(weights);

        public void Dispose() => engine.Dispose();
    }

    private sealed class Sampler(ISampler sampler, ConcurrentDictionary<long, bool> versions) : ISampler
    {
        private long version;

        public void Load(PolicyWeights weights)
        {
            version = weights.Version.Steps;
            sampler.Load(weights);
        }

        public void Unload() => sampler.Unload();

        public IReadOnlyList<Completion[]> Sample(IReadOnlyList<SamplePrompt> prompts, SampleSettings settings, Action<long>? progress, CancellationToken cancellation) =>
            !settings.Greedy && versions.TryRemove(version, out _) // greedy: an evaluation
                ? throw new InvalidOperationException($"seeded failure at version {version}")
                : sampler.Sample(prompts, settings, progress, cancellation);

        public void Dispose() => sampler.Dispose();
    }
}
