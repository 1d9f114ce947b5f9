namespace GrpoActors.Journal;

/// <summary>How a journal stands: its head row and its last record.</summary>
/// <param name="First">Position of the oldest record kept.</param>
/// <param name="LastPosition">Null where there is no record.</param>
/// <param name="LastFence">Fence of the last record; null where there is none, or where it is no number.</param>
internal readonly record struct JournalHead(long Fence, long First, long? LastPosition, long? LastFence)
{
    /// <summary>Position that the next record gets.</summary>
    public long Next => LastPosition + 1 ?? First;

    /// <exception cref="JournalDamagedException">Head row and records do not fit together.</exception>
    public void Check(string place)
    {
        if (First < 0 || Next < First || (LastPosition is null && First > 0) || (LastPosition is not null && !(LastFence is { } lastFence && lastFence <= Fence)))
        {
            throw new JournalDamagedException(
                $"The head row of the journal {place} (fence {Fence}, first record {First}) does not fit its records ({Next} is the next): restore it from a copy, or start over with --fresh.",
                -1);
        }
    }

    public static JournalDamagedException Lost(string place) =>
        new($"The journal {place} has lost its head row: restore it from a copy, or start over with --fresh.", -1);

    public static StaleWriterException TakenOver(string place, long fence, long ours) =>
        new($"Another process has opened the journal {place} for writing (fence {fence}, ours is {ours}): this one stops and has changed nothing.");

    public static StaleWriterException FoldedTooFew(string place, long records, long folded) =>
        new($"The journal {place} holds {records} records where this process has folded {folded}: it stops and has changed nothing.");
}
