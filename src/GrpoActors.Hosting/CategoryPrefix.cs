using Microsoft.Extensions.Logging;

namespace GrpoActors.Hosting;

/// <summary>A node names its categories as people know them ("run", "g1/generator-1"); in somebody's host they stand under one name that a filter can say.</summary>
internal sealed class CategoryPrefix(ILoggerFactory host) : ILoggerFactory
{
    public const string Root = "GrpoActors";

    public ILogger CreateLogger(string categoryName) => host.CreateLogger($"{Root}.{categoryName}");

    public void AddProvider(ILoggerProvider provider) => host.AddProvider(provider);

    public void Dispose()
    {
        // the host's
    }
}
