using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>A run's journal in a SQLite file, as tests read it and write it by other means than a run.</summary>
/// <param name="runFolder">Full path; names the run where the file does not.</param>
internal sealed class RecordedStream(string file, string runFolder, Digest identity)
{
    /// <summary>Of a run that lies in this folder.</summary>
    public static RecordedStream Of(string runFolder)
    {
        RecordedRun run = RecordedRun.Open(runFolder);
        return new RecordedStream(RunJournal.FileOf(null, run.Folder), run.Folder, run.Identity);
    }

    /// <summary>As workers are given it.</summary>
    public RunJournal Journal => RunJournal.Of(file, runFolder, identity);

    public IJournalReader OpenForReading() => Journal.OpenForReading();

    /// <summary>Appends in one transaction, as another process would that has taken the run over.</summary>
    public void Append(params IReadOnlyList<RunEvent> events)
    {
        using var writer = new TableWriter(Journal);
        writer.Append([.. events]);
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
