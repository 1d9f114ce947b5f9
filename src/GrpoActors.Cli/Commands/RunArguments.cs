using System.CommandLine;

namespace GrpoActors.Cli.Commands;

/// <summary>What the commands that read a run folder share.</summary>
internal static class RunArguments
{
    public static Option<string?> Journal() => new("--journal")
    {
        Description = "Where the run's journal is, if not where its plan says: a SQLite file, or a PostgreSQL connection string.",
        HelpName = "PLACE",
    };
}
