using Microsoft.Extensions.Logging;

namespace GrpoActors.Cli.Displays;

/// <summary>What the host has to say, beside the steps: a sentence each, without time and category.</summary>
internal sealed class DisplayLogger(IRunDisplay display) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            string sentence = formatter(state, exception);
            display.Say(logLevel >= LogLevel.Warning ? $"{logLevel.ToString().ToLowerInvariant()}: {sentence}" : sentence);
        }
    }
}
