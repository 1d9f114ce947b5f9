using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;

namespace GrpoActors.Actors.Learning;

/// <summary>A worker's own fold of the journal, brought up to a position when it is needed: a batch of megabytes is read where it lies instead of being sent.</summary>
internal sealed class JournalFollower(RunJournal journal, RunIdentity plan)
{
    private RunState run = RunState.Begin(plan);

    /// <summary>The batch of the next step, as it stands in the first <paramref name="position"/> records.</summary>
    /// <exception cref="StorageException">The journal cannot be read, or does not hold the batch that is asked for.</exception>
    public TrainingBatch Batch(long step, Core.Digest digest, long position)
    {
        FoldTo(position);
        TrainingBatch? batch = run.Version.Steps == step && StepBatch.Next(run) is { } inputs ? BatchOf.Step(run, inputs) : null;
        return batch is not null && batch.Digest == digest
            ? batch
            : throw new StorageException($"The journal at {position} does not hold the batch of step {step + 1} that the coordinator asks for; it stands at {run.Version}.");
    }

    private void FoldTo(long position)
    {
        while (run.Position < position)
        {
            try
            {
                using IJournalReader reader = journal.OpenForReading();
                if (run.Position < reader.First)
                {
                    run = RunState.Begin(plan); // what it had not read was compacted away: from the compaction record on
                }

                foreach (JournalEntry entry in reader.Read(run.Position == 0 ? reader.First : run.Position).TakeWhile(entry => entry.Position < position))
                {
                    run = run.Apply(entry.Event);
                }

                return;
            }
            catch (JournalCompactedException)
            {
                // read again from where it begins now
            }
        }
    }
}
