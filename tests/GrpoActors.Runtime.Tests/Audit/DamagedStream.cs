using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;

namespace GrpoActors.Runtime.Tests.Audit;

/// <summary>Makes a damaged stream look whole: positions, checksums and the ledger's chain are computed again, by the ledger's own code.</summary>
internal static class DamagedStream
{
    public static List<RunEvent> WithChainMadeRight(RunIdentity plan, IEnumerable<RunEvent> events)
    {
        RunState run = RunState.Begin(plan);
        var right = new List<RunEvent>();
        foreach (RunEvent e in events)
        {
            RunEvent kept = e;
            switch (e)
            {
                case RunEvent.RunStarted x:
                    run = run with { Chain = x.Identity };
                    break;
                case RunEvent.GroupOpened x:
                    run = run with { Groups = run.Groups.SetItem(x.Group, new GroupState(x.Group, x.Row, x.Version, x.Step, x.Round, GroupFate.Open, [], DropReason.None, 0)) };
                    break;
                case RunEvent.CompletionsScored x when run.Groups.ContainsKey(x.Group):
                    run = run with { Groups = run.Groups.SetItem(x.Group, run.Groups[x.Group] with { Completions = x.Completions }) };
                    break;
                case RunEvent.GroupClosed x when run.Groups.ContainsKey(x.Group):
                    GroupFate fate = x.Reason == DropReason.None ? GroupFate.Kept : GroupFate.Dropped;
                    run = run with { Groups = run.Groups.SetItem(x.Group, run.Groups[x.Group] with { Fate = fate, Reason = x.Reason }) };
                    break;
                case RunEvent.Evaluated x:
                    run = run with { EvaluationOfVersion = x.Evaluation };
                    break;
                case RunEvent.StepCommitted x:
                    Digest chain = Ledger.Next(run, x.Inputs, x.Outputs);
                    kept = x with { Chain = chain };
                    run = run with { Groups = run.Groups.RemoveRange(Ledger.Settled(run, x.Inputs).Select(group => group.Id)), Chain = chain, EvaluationOfVersion = null };
                    break;
            }

            right.Add(kept);
        }

        return right;
    }

    /// <summary>Changes the one event that fits.</summary>
    public static List<RunEvent> Change<T>(this IEnumerable<RunEvent> events, Func<T, bool> which, Func<T, RunEvent?> change)
        where T : RunEvent =>
        [.. events.Select(e => e is T x && which(x) ? change(x) : e).OfType<RunEvent>()];

    /// <param name="first">Position of the first of them.</param>
    public static IJournalReader Stored(IEnumerable<RunEvent> events, Func<long, long>? fenceAt = null, long first = 0) => new MemoryJournal(
    [
        .. events.Select((e, index) =>
        {
            long position = first + index;
            byte[] payload = EventRecord.Encode(e);
            long fence = fenceAt?.Invoke(position) ?? 1;
            return new StoredRecord(position, fence, RecordChecksum.Of(position, fence, payload), payload);
        }),
    ], first);

    public static ScoredCompletion WithReward(this ScoredCompletion scored, int reward, float value) =>
        scored with { Outcomes = scored.Outcomes.SetItem(reward, new ScoreOutcome.Scored(value)) };

    public static ScoredCompletion WithoutToken(this ScoredCompletion scored, int at) => scored with
    {
        Completion = scored.Completion with { Tokens = scored.Completion.Tokens.RemoveAt(at), LogProbs = scored.Completion.LogProbs.RemoveAt(at) },
    };

    public static ImmutableArray<T> Changed<T>(this ImmutableArray<T> values, int index, Func<T, T> change) => values.SetItem(index, change(values[index]));
}

/// <summary>Records in memory.</summary>
internal sealed class MemoryJournal(ImmutableArray<StoredRecord> records, long first = 0) : IJournalReader
{
    public string Place => "memory";

    public long First => first;

    public IEnumerable<JournalEntry> Read(long from = 0) => Stored(from).Select(record => new JournalEntry(record.Position, record.Fence, EventRecord.Decode(record.Payload)));

    public IEnumerable<StoredRecord> Stored(long from = 0) => records.Where(record => record.Position >= from);

    public void Dispose()
    {
    }
}
