using System.Net.Sockets;
using GrpoActors.Formats.Files;
using Npgsql;

namespace GrpoActors.Journal;

/// <summary>PostgreSQL's failures in one sentence. Null for what is none of them.</summary>
internal static class PostgresFailure
{
    public static StorageException? Writing(PostgresPlace place, Exception e) => e switch
    {
        StorageException known => known,
        PostgresException { SqlState: PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted } damage => Damage(place, damage, -1),
        _ when IsOfServer(e) => new JournalWriteException($"Could not write the journal {place}: {Why(e)}. Whether the last append was kept is found out at the next start of the same command.", e),
        _ => null,
    };

    public static StorageException? Reading(PostgresPlace place, Exception e, long position = -1) => e switch
    {
        StorageException known => known,
        PostgresException { SqlState: PostgresErrorCodes.DataCorrupted or PostgresErrorCodes.IndexCorrupted } damage => Damage(place, damage, position),
        InvalidCastException wrongType => new JournalDamagedException($"The tables of the journal {place} have other columns than they were made with ({wrongType.Message.TrimEnd('.')}): choose another database.", position, wrongType),
        _ when IsOfServer(e) => new StorageException($"Could not read the journal {place}: {Why(e)}.", e),
        _ => null,
    };

    private static bool IsOfServer(Exception e) => e is NpgsqlException or SocketException or IOException or TimeoutException || (e is InvalidOperationException && e.Source == "Npgsql");

    private static JournalDamagedException Damage(PostgresPlace place, PostgresException e, long position) =>
        new($"PostgreSQL reports that the journal {place} is damaged ({e.MessageText}): restore the database from a copy, or start over with --fresh.", position, e);

    private static string Why(Exception e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } => "the server's disk is full; free some space and start the same command again",
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => "another process keeps it locked; end that one and start the same command again",
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } => "this user may not create or write its tables; grant it, or connect as another one",
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } denied =>
            $"{denied.MessageText}; the password comes from PGPASSWORD or PGPASSFILE",
        PostgresException told => told.MessageText.TrimEnd('.'),
        NpgsqlException { InnerException: TimeoutException } => "the server does not answer",
        NpgsqlException { InnerException: { } inner } => $"the connection to the server is gone ({inner.Message.ReplaceLineEndings(" ").TrimEnd('.')})",
        _ => e.Message.ReplaceLineEndings(" ").TrimEnd('.'),
    };
}
