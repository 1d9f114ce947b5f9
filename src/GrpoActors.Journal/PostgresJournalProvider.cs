using System.Net.Sockets;
using GrpoActors.Formats.Files;
using Npgsql;

namespace GrpoActors.Journal;

/// <summary>A journal in a PostgreSQL database, which many runs may share.</summary>
/// <param name="connection">A connection string of Npgsql's: <c>Host=db;Database=grpo;Username=grpo</c>. A password comes from PGPASSWORD or PGPASSFILE.</param>
/// <param name="run">The run's name there: one journal for each.</param>
public sealed class PostgresJournalProvider(string connection, string run) : IJournalProvider
{
    private readonly PostgresPlace place = PostgresPlace.Of(connection, run);

    internal PostgresPlace Place => place;

    /// <summary>How long a transaction of a writer that has stopped may keep the head row locked before the server ends it. Default 10 s.</summary>
    public TimeSpan IdleInTransactionMax { get; init; } = TimeSpan.FromSeconds(10);

    public IJournal OpenForWriting() => PostgresJournal.OpenForWriting(place with { IdleInTransactionMax = IdleInTransactionMax });

    public IJournalReader OpenForReading() => PostgresJournal.OpenForReading(place);

    /// <summary>Keeps an old journal of this name under another one, so that the next start begins anew.</summary>
    /// <exception cref="StorageException">The database cannot be reached or written.</exception>
    public void SetAside() => PostgresJournal.SetAside(place);
}

/// <param name="Settings">Complete connection string.</param>
internal sealed record PostgresPlace(string Settings, string Server, string Run)
{
    public TimeSpan IdleInTransactionMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <exception cref="StorageException">It is no connection string.</exception>
    public static PostgresPlace Of(string connection, string run)
    {
        try
        {
            // No pool: a connection belongs to one reader or writer and ends with it. A silent server is noticed by the command's own deadline.
            var settings = new NpgsqlConnectionStringBuilder(connection) { Pooling = false, ApplicationName = "grpo", IncludeErrorDetail = false };
            return new PostgresPlace(settings.ConnectionString, $"{settings.Database ?? settings.Username} at {settings.Host}:{settings.Port}", run);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidOperationException)
        {
            throw new StorageException($"The journal's connection string is not understood: {e.Message.TrimEnd('.')}. Write for example Host=localhost;Database=grpo;Username=grpo.", e);
        }
    }

    public NpgsqlConnection Connect()
    {
        var opened = new NpgsqlConnection(Settings);
        try
        {
            opened.Open();
            return opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public override string ToString() => $"{Run} in the PostgreSQL database {Server}";
}

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
