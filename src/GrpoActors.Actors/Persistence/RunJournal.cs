using Akka.Actor;
using Akka.Configuration;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using Microsoft.Data.Sqlite;

namespace GrpoActors.Actors.Persistence;

/// <summary>A run's journal: where it lies, who reads it, and the one actor that writes it.</summary>
/// <param name="setting">As in <see cref="JournalPlace"/>.</param>
/// <param name="runFolder">Full path.</param>
internal sealed class RunJournal(string? setting, string runFolder, RunIdentity plan, Digest identity)
{
    public IJournalProvider Reader { get; } = JournalPlace.Cluster(setting, runFolder, identity);

    public Config Hocon() => JournalHocon.Of(setting, runFolder);

    /// <summary>Closes the idle connections of a writer that has ended: whoever deletes the file, or puts another in its place, finds it free.</summary>
    public void Release()
    {
        if (!JournalPlace.IsDatabase(setting))
        {
            using var pooled = new SqliteConnection(JournalHocon.Sqlite(JournalPlace.File(setting, runFolder)));
            SqliteConnection.ClearPool(pooled);
        }
    }

    /// <summary>Makes the tables ready.</summary>
    /// <param name="replayed">Called for each event while the journal recovers, by its actor's thread.</param>
    /// <exception cref="Formats.Files.StorageException">The database cannot be reached or written.</exception>
    public Props Props(Action<FoldedEvent> replayed) => JournalActor.Props(JournalImport.Prepare(setting, runFolder, identity).PersistenceId, plan, replayed);
}
