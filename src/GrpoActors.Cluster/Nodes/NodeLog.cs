using Akka.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace GrpoActors.Cluster.Nodes;

/// <summary>One line an entry, on stderr; Akka's own below a warning only where the configuration asks for them.</summary>
internal static class NodeLog
{
    public static ILoggerFactory Factory(Config config)
    {
        bool debug = config.GetString("akka.loglevel", "INFO") == "DEBUG";
        return LoggerFactory.Create(logging => logging
            .SetMinimumLevel(debug ? LogLevel.Debug : LogLevel.Information)
            .AddFilter("Akka", debug ? LogLevel.Debug : LogLevel.Warning)
            .AddFilter("Microsoft", LogLevel.Warning)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            })
            .Services.Configure<ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
    }
}
