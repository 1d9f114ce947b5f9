using Akka.Configuration;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace GrpoActors.Actors.Persistence;

/// <summary>The configuration of Akka.Persistence.Sql for the place that the plan's setting <c>journal</c> names. What does not depend on the place stands in <c>reference.conf</c>.</summary>
internal static class JournalHocon
{
    /// <param name="setting">As in <see cref="JournalPlace.Of"/>: null or empty is journal.db in the run folder, a text with = a PostgreSQL connection string, anything else a path.</param>
    /// <param name="runFolder">Full path.</param>
    /// <exception cref="StorageException">The connection string is not understood.</exception>
    public static Config Of(string? setting, string runFolder)
    {
        (string provider, string connection) = JournalPlace.IsDatabase(setting)
            ? ("PostgreSQL.15", Postgres(setting!))
            : ("SQLite.MS", Sqlite(JournalPlace.File(setting, runFolder)));
        return ConfigurationFactory.ParseString($$"""
            akka.persistence.journal.sql {
              provider-name = "{{provider}}"
              connection-string = {{Quoted(connection)}}
            }
            """);
    }

    /// <summary>Full flushes are this driver's default; that it holds is asserted when the tables are made.</summary>
    internal static string Sqlite(string path) => new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite }.ConnectionString;

    /// <summary>Asks of every connection what the embedded host sets by hand: a commit that is answered is on disk, and a frozen writer's transaction is ended by the server.</summary>
    internal static string Postgres(string setting)
    {
        var place = new NpgsqlConnectionStringBuilder(PostgresPlace.Of(setting, "").Settings) { Pooling = true, ApplicationName = "grpo-cluster" };
        place.Options = $"{place.Options} -c synchronous_commit=on -c idle_in_transaction_session_timeout=10s".TrimStart();
        return place.ConnectionString;
    }

    private static string Quoted(string text) => "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
}
