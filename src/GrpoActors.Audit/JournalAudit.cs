using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;

namespace GrpoActors.Audit;

/// <summary>Proves from the journal alone what a run claims, with code that shares nothing with the stages. <c>README.md</c> beside this file lists the findings.</summary>
public static class JournalAudit
{
    /// <summary>Reads the journal twice, record by record; memory holds unsettled groups and one entry for each group ever settled.</summary>
    /// <param name="journal">Of a run that may be under way: what is durable when it is read counts.</param>
    /// <param name="identity">SHA-256 of the plan's identity, which opens the ledger.</param>
    public static AuditReport Run(IJournalReader journal, RunIdentity plan, Digest identity)
    {
        var records = new AuditRecords(journal);
        StepNumbers numbers = StepNumbers.Of(records.Read(journal.First, long.MaxValue, _ => { }).Select(record => record.Event));
        var fold = new AuditFold(plan, identity, numbers, journal.First);
        long count = 0;
        foreach ((long position, RunEvent e) in records.Read(journal.First, records.End, fold.Findings.Add))
        {
            if (count == 0 && journal.First > 0 && e is not RunEvent.Compacted)
            {
                fold.Findings.Add(new AuditFinding(
                    "missing-record", $"record {position}", position, $"Record {position} is the first one kept, and is no compaction record: nothing can be told of what follows it."));
                break;
            }

            fold.Apply(position, e);
            count++;
        }

        return fold.Report(count);
    }

    /// <summary>The stored records as events, checked here and not by the journal.</summary>
    private sealed class AuditRecords(IJournalReader journal)
    {
        /// <summary>Behind the last record that was come to: a second reading stops there, whatever a running writer has added.</summary>
        public long End { get; private set; }

        public IEnumerable<(long Position, RunEvent Event)> Read(long from, long end, Action<AuditFinding> find)
        {
            long expected = from, fence = 0;
            void Unreadable(string why) => find(new AuditFinding("damaged-record", $"record {expected}", expected, why));
            foreach (StoredRecord record in journal.StoredWhileReadable(from, Unreadable).TakeWhile(record => record.Position < end))
            {
                for (; expected < record.Position; expected++)
                {
                    find(new AuditFinding("missing-record", $"record {expected}", expected, $"Record {expected} is missing."));
                }

                End = Math.Max(End, record.Position + 1);
                if (record.Fence < fence)
                {
                    find(new AuditFinding(
                        "older-fence", $"record {record.Position}", record.Position,
                        $"Record {record.Position} was written under fence {record.Fence}, after records of fence {fence}: by a writer that had been replaced."));
                }

                fence = Math.Max(fence, record.Fence);
                if (Decoded(record, find) is not { } e)
                {
                    yield break;
                }

                expected = record.Position + 1;
                yield return (record.Position, e);
            }
        }

        private static RunEvent? Decoded(StoredRecord record, Action<AuditFinding> find)
        {
            string? wrong = RecordChecksum.Of(record.Position, record.Fence, record.Payload) == record.Crc ? null : "its checksum does not match its bytes.";
            try
            {
                if (wrong is null)
                {
                    return EventRecord.Decode(record.Payload);
                }
            }
            catch (JournalFormatException e)
            {
                wrong = e.Message;
            }

            find(new AuditFinding(
                "damaged-record", $"record {record.Position}", record.Position, $"Record {record.Position} is damaged: {wrong} Nothing after it was audited."));
            return null;
        }
    }
}
