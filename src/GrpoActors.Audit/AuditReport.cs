using System.Collections.Immutable;
using GrpoActors.Core;

namespace GrpoActors.Audit;

/// <summary>What the journal alone proves, and what it does not.</summary>
/// <param name="WeightsSha256">Of the newest recorded checkpoint; null if there is none.</param>
/// <param name="OptimizerSha256">As above.</param>
/// <param name="HashedStep">Committed steps behind those two.</param>
/// <param name="LedgerSha256">Computed again from the records.</param>
/// <param name="Ended">The run is over; otherwise groups may be open.</param>
/// <param name="Findings">In stream order; empty: everything holds.</param>
/// <param name="Unseen">One sentence for each thing that could not be looked at.</param>
public sealed record AuditReport(
    AuditCounts Counts, Digest? WeightsSha256, Digest? OptimizerSha256, long? HashedStep, Digest LedgerSha256, bool Ended,
    ImmutableArray<AuditFinding> Findings, ImmutableArray<string> Unseen)
{
    public bool IsClean => Findings.IsEmpty;
}

/// <summary>Each number is counted by itself: issued from openings, sampled from scored completions, open from what is left in the fold.</summary>
public sealed record AuditCounts(
    long Records, long Steps, long GroupsIssued, long GroupsTrained, long GroupsDropped, long GroupsOpen,
    long TokensSampled, long TokensTrained, long TokensDropped, long TokensOpen, long OutcomesByTiming, long OutcomesFaulted);

/// <param name="Kind">As in the README's table.</param>
/// <param name="Subject">The id that it is about: a group, a completion, a step, a record.</param>
/// <param name="Position">Of the record where it shows.</param>
/// <param name="Sentence">For a person.</param>
public sealed record AuditFinding(string Kind, string Subject, long Position, string Sentence);
