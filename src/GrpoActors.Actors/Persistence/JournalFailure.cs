using Akka.Pattern;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace GrpoActors.Actors.Persistence;

/// <summary>What a failure of Akka.Persistence.Sql means.</summary>
internal static class JournalFailure
{
    private const int SqliteConstraint = 19;

    /// <summary>The database refused the append because somebody else has appended at this place, or further on.</summary>
    public static bool IsCollision(Exception failure) => Causes(failure).Any(cause =>
        cause is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } or SqliteException { SqliteErrorCode: SqliteConstraint });

    /// <summary>The innermost cause in one clause.</summary>
    public static string Said(Exception failure) => Causes(failure).Last() switch
    {
        OpenCircuitException => "after several failures the database is not asked for a while",
        PostgresException told => told.MessageText.TrimEnd('.'),
        Exception cause => cause.Message.ReplaceLineEndings(" ").TrimEnd('.'),
    };

    private static IEnumerable<Exception> Causes(Exception failure)
    {
        yield return failure;
        IEnumerable<Exception> inner = failure is AggregateException several ? several.InnerExceptions : failure.InnerException is { } one ? [one] : [];
        foreach (Exception cause in inner.SelectMany(Causes))
        {
            yield return cause;
        }
    }
}
