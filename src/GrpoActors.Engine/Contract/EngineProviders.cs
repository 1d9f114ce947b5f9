using System.Collections.Concurrent;
using GrpoActors.Core.Plans;
using GrpoActors.Engine.Cpu;

namespace GrpoActors.Engine;

/// <summary>The engines of this process, by the names that plans give them (<c>engine: cpu</c>). The CPU engine is built in.</summary>
/// <remarks>
/// An engine of another assembly is registered by the program, before the first plan is read; nothing between the two refers to it. Thread-safe.
/// <code>EngineProviders.Register(new TorchEngineProvider());</code>
/// </remarks>
public static class EngineProviders
{
    private static readonly ConcurrentDictionary<string, IEngineProvider> Registered = new(StringComparer.Ordinal)
    {
        [CpuEngine.Name] = new CpuEngineProvider(),
    };

    /// <summary>In ordinal order.</summary>
    public static IEnumerable<string> Names => Registered.Keys.Order(StringComparer.Ordinal);

    /// <summary>Adds an engine for all plans that are read from now on. Registering a provider of the same type again changes nothing.</summary>
    /// <exception cref="ArgumentException">Its name is empty, or a provider of another type has it.</exception>
    public static void Register(IEngineProvider provider)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(provider.Name);
        IEngineProvider present = Registered.GetOrAdd(provider.Name, provider);
        if (present.GetType() != provider.GetType())
        {
            throw new ArgumentException(
                $"There is already an engine named {provider.Name}: {present.GetType()}. Give {provider.GetType()} another name.", nameof(provider));
        }
    }

    /// <returns>The provider; or an error that names the engines there are, and the nearest one.</returns>
    public static Finding<IEngineProvider> Find(string name)
    {
        if (Registered.TryGetValue(name, out IEngineProvider? provider))
        {
            return new(provider, []);
        }

        string[] names = [.. Names];
        string near = NearestName.Of(name, names) is { } nearest ? $"Did you mean {nearest}? " : "";
        return new ConfigError("", $"is \"{name}\", which is no engine.", $"{near}There {(names.Length == 1 ? "is" : "are")} {string.Join(", ", names)}.");
    }

    /// <summary>An engine for one model.</summary>
    /// <param name="name">As the plan has it; <see cref="RunIdentity.DefaultEngine"/> for a model that no run trained.</param>
    /// <exception cref="ConfigException">There is no engine of this name.</exception>
    /// <exception cref="Models.UnsupportedModelException">The engine does not calculate what the model asks for.</exception>
    public static IEngine Open(string name, ModelSpec spec, EngineOptions options)
    {
        Finding<IEngineProvider> found = Find(name);
        IEngineProvider provider = found.Value ?? throw new ConfigException([.. found.Errors.Select(error => error with { Key = "engine" })]);
        return provider.Open(spec, options);
    }
}
