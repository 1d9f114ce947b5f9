using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Tests;

/// <summary>What was logged, one line each.</summary>
internal sealed class Messages : ILogger, ILoggerFactory
{
    private readonly ConcurrentQueue<string> lines = new();

    public IEnumerable<string> Lines => lines;

    /// <summary>Told each line when it is logged.</summary>
    public Action<string> Heard { get; set; } = _ => { };

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Keep($"{logLevel}: {formatter(state, exception)}");

    private void Keep(string line)
    {
        lines.Enqueue(line);
        Heard(line);
    }
}
