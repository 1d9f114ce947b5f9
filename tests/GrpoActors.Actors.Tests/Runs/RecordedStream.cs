using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>A run's journal in a SQLite file, as tests read it and write it by other means than a run.</summary>
/// <param name="runFolder">Full path; names the run where the file does not.</param>
internal sealed class RecordedStream(string file, string runFolder, Digest identity)
{
    /// <summary>As workers are given it.</summary>
    public IJournalProvider Provider => AkkaJournalProvider.InFile(file, runFolder, identity);

    public IJournalReader OpenForReading() => Provider.OpenForReading();

    /// <summary>Appends in one transaction, as another process would that has taken the run over.</summary>
    public void Append(params IReadOnlyList<RunEvent> events)
    {
        using IJournal writer = Provider.OpenForWriting();
        writer.AppendAsync(writer.Position, events, CancellationToken.None).GetAwaiter().GetResult();
    }

    /// <summary>Writes the journal anew with other events; checksums are right.</summary>
    public void Rewrite(IReadOnlyList<RunEvent> events)
    {
        Delete();
        Append(events);
    }

    public void Delete()
    {
        foreach (string part in Directory.GetFiles(Path.GetDirectoryName(file)!, Path.GetFileName(file) + "*"))
        {
            File.Delete(part);
        }
    }
}
