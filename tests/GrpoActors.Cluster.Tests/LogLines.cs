using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Tests;

/// <summary>Keeps what is logged.</summary>
internal sealed class LogLines : ILoggerFactory, ILogger
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly List<string> lines = [];
    private TaskCompletionSource logged = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>From warnings on.</summary>
    public IReadOnlyList<string> Warnings
    {
        get
        {
            lock (lines)
            {
                return [.. lines];
            }
        }
    }

    /// <summary>Waits for a warning or an error that contains this.</summary>
    public async Task<string> Line(string containing)
    {
        while (true)
        {
            Task next = Volatile.Read(ref logged).Task;
            if (Warnings.FirstOrDefault(line => line.Contains(containing, StringComparison.Ordinal)) is { } found)
            {
                return found;
            }

            await next.WaitAsync(Patience);
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            lock (lines)
            {
                lines.Add(exception is null ? formatter(state, exception) : $"{formatter(state, exception)}\n{exception}");
            }

            Interlocked.Exchange(ref logged, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
        }
    }

    public void Dispose()
    {
    }
}
