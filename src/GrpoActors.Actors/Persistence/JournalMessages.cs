using System.Collections.Immutable;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Persistence;

/// <summary>To the parent, once the whole stream is folded: the journal takes appends from here on.</summary>
/// <param name="Fence">Of the records that this writer will append: one above the number of records before them.</param>
internal sealed record JournalRecovered(RunState Run, long Fence);

/// <summary>Appends all events or none; one at a time, others wait.</summary>
/// <param name="ExpectedPosition">Position that the sender has folded up to.</param>
internal sealed record Append(long ExpectedPosition, ImmutableArray<RunEvent> Events);

/// <summary>All events of the append are durable.</summary>
/// <param name="Position">That the next event gets.</param>
internal sealed record Appended(long Position);

/// <summary>Deletes the records before <paramref name="Position"/>, of which the one there must be durable. Twice is harmless.</summary>
internal sealed record DeleteBefore(long Position);

internal sealed record DeletedBefore(long Position);

/// <summary>To the parent, before the journal stops: an append failed, and nobody here knows what was kept.</summary>
/// <param name="Reason">One sentence.</param>
/// <param name="Stale">Somebody else has appended at this place: this process must stop for good.</param>
internal sealed record JournalFailed(string Reason, bool Stale);
