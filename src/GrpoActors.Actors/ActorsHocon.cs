using Akka.Configuration;

namespace GrpoActors.Actors;

/// <summary>The HOCON that this assembly carries.</summary>
internal static class ActorsHocon
{
    /// <summary><c>hocon/actors.conf</c> and <c>hocon/persistence.conf</c>.</summary>
    public static Config Reference { get; } = Resource("actors.conf").WithFallback(Resource("persistence.conf"));

    private static Config Resource(string name)
    {
        using Stream stream = typeof(ActorsHocon).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} is not part of this program.");
        using var reader = new StreamReader(stream);
        return ConfigurationFactory.ParseString(reader.ReadToEnd());
    }
}
