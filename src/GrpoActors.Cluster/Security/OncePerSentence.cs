using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Security;

/// <summary>A node's log for Akka, without what <see cref="TransportLogFilter"/> calls repeated: the logger of Akka.Hosting (1.5.74) asks no log filter.</summary>
internal sealed class OncePerSentence(ILoggerFactory log) : ILoggerFactory
{
    // A peer that sends a thousand kinds of unreadable messages silences nothing but further ones.
    private readonly OncePerAddress channels = new(), messages = new();

    public ILogger CreateLogger(string categoryName) => new Once(log.CreateLogger(categoryName), this);

    public void AddProvider(ILoggerProvider provider) => log.AddProvider(provider);

    /// <summary>The log itself is its owner's.</summary>
    public void Dispose()
    {
    }

    private bool IsNew(string line) => TransportLogFilter.Repeated(line) is not { } repeated
        || (repeated.StartsWith("Deserialization", StringComparison.Ordinal) ? messages : channels).First(repeated);

    private sealed class Once(ILogger log, OncePerSentence all) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => log.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel < LogLevel.Warning || all.IsNew(formatter(state, exception)))
            {
                log.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
