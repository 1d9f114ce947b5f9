using System.Collections.Immutable;
using GrpoActors.Core.Completions;

namespace GrpoActors.Core.Runs;

public enum GroupFate : byte
{
    /// <summary>Waits for its completions or their scores.</summary>
    Open = 0,
    /// <summary>Scored; kept or dropped is being decided.</summary>
    Scored = 1,
    /// <summary>Waits for its step.</summary>
    Kept = 2,
    Dropped = 3,
}

/// <summary>A group between its opening and the step that settles it. Life: Open -> Scored -> Kept | Dropped -> (gone with its step).</summary>
/// <param name="Step">Canonical order: the step that owns it.</param>
/// <param name="ClosedAt">Stream position at which it was closed; orders arrival-order batches.</param>
public sealed record GroupState(
    GroupId Id, long Row, PolicyVersion Version, long Step, int Round, GroupFate Fate, ImmutableArray<ScoredCompletion> Completions, DropReason Reason, long ClosedAt)
{
    public bool IsClosed => Fate is GroupFate.Kept or GroupFate.Dropped;

    public long Tokens => Completions.Sum(completion => (long)completion.Completion.Tokens.Length);
}
