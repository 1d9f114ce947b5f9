using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;

namespace GrpoActors.Actors.Persistence;

/// <summary>An event as Akka.Persistence stores it: fence, checksum and record are in its bytes; its position is the sequence number less one.</summary>
/// <param name="Message">As <see cref="RecordMessage"/> lays it out.</param>
internal sealed record StoredEvent(byte[] Message)
{
    public static StoredEvent Of(long position, long fence, RunEvent e) => new(RecordMessage.Of(position, fence, e));

    /// <exception cref="JournalFormatException">The bytes are no whole record that this program knows.</exception>
    public StoredRecord At(long position) => RecordMessage.Parse(position, Message);
}
