using Akka.Pattern;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;

namespace GrpoActors.Actors.Persistence;

/// <summary>What a failure of Akka.Persistence.Sql means.</summary>
internal static class JournalFailure
{
    /// <summary>The database refused the append because another writer has appended at this place, or further on.</summary>
    public static bool IsCollision(this RunJournal journal, Exception failure) => Causes(failure).Any(journal.Tables.IsCollision);

    /// <summary>Why the records could not be read, in one sentence.</summary>
    public static StorageException Unread(this RunJournal journal, Exception failure) =>
        Causes(failure).Select(cause => journal.Tables.Reading(cause)).FirstOrDefault(known => known is not null)
        ?? new StorageException($"Could not read the journal {journal.Place}: {Said(failure)}.", failure);

    /// <summary>Why an append's outcome is unknown, in one sentence.</summary>
    public static string Unwritten(this RunJournal journal, Exception failure) =>
        (Causes(failure).Select(cause => journal.Tables.Writing(cause)).FirstOrDefault(known => known is not null)
        ?? new StorageException($"Could not write the journal {journal.Place}: {Said(failure)}.", failure)).Message;

    private static string Said(Exception failure) => Causes(failure).Last() switch
    {
        OpenCircuitException => "after several failures the database is not asked for a while",
        Exception cause => cause.Message.ReplaceLineEndings(" ").TrimEnd('.'),
    };

    /// <summary>From the outermost to the innermost. Of an append that failed and whose roll-back then failed too, the append's.</summary>
    private static IEnumerable<Exception> Causes(Exception failure)
    {
        Exception? cause = failure;
        while (cause is not null)
        {
            yield return cause;
            cause = cause is AggregateException { InnerExceptions: [.., var original] } ? original : cause.InnerException;
        }
    }
}
