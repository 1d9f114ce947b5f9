using GrpoActors.Formats.Files;
using Npgsql;

namespace GrpoActors.Journal;

/// <param name="Settings">Complete connection string.</param>
internal sealed record PostgresPlace(string Settings, string Server, string Run)
{
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
            throw new StorageException(
                $"The journal's connection string is not understood: {e.Message.TrimEnd('.')}. Write for example Host=localhost;Database=grpo;Username=grpo.", e);
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
