using Spectre.Console;

namespace GrpoActors.Cli.Displays;

/// <summary>What stderr can do.</summary>
internal static class Terminal
{
    /// <summary>Live on a terminal, plain lines elsewhere; no colours where NO_COLOR is set (no-color.org).</summary>
    public static IRunDisplay Display()
    {
        if (Console.IsErrorRedirected || Environment.GetEnvironmentVariable("TERM") is "dumb" or "")
        {
            return new PlainDisplay(Console.Error);
        }

        bool colours = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        return new LiveDisplay(AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(Console.Error),
            ColorSystem = colours ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
        }));
    }
}
