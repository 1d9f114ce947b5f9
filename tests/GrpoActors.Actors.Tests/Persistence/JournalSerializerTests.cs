using Akka.Actor;
using Akka.Serialization;
using Akka.TestKit.Xunit2;
using GrpoActors.Actors.Persistence;
using GrpoActors.Core;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using Xunit;

namespace GrpoActors.Actors.Tests.Persistence;

public sealed class JournalSerializerTests : TestKit
{
    private static readonly RunEvent Event = new RunEvent.RunStarted(Digest.Of("plan"), Digest.Of("weights"), "1");

    public JournalSerializerTests()
        : base(JournalNode.Setup(RunJournal.Of("unused.db", "/unused", Digest.Of("plan"))))
    {
    }

    private JournalSerializer Serializer => new((ExtendedActorSystem)Sys);

    [Fact]
    public void Stored_events_are_bound_to_the_journals_own_serializer()
    {
        Serializer bound = Sys.Serialization.FindSerializerForType(typeof(StoredEvent));
        Assert.IsType<JournalSerializer>(bound);
        Assert.Equal(RecordMessage.SerializerId, bound.Identifier);
    }

    [Fact]
    public void A_stored_event_comes_back_with_its_fence_and_checksum()
    {
        StoredEvent stored = StoredEvent.Of(5, 3, Event);
        byte[] bytes = Serializer.ToBinary(stored);
        StoredRecord record = Assert.IsType<StoredEvent>(Serializer.FromBinary(bytes, Serializer.Manifest(stored))).At(5);
        Assert.Equal((5, 3), (record.Position, record.Fence));
        Assert.Equal(RecordChecksum.Of(5, 3, record.Payload), record.Crc);
        Assert.Equal(Event, EventRecord.Decode(record.Payload));
    }

    [Fact]
    public void The_head_of_a_message_has_the_bytes_that_are_written_down()
    {
        byte[] record = EventRecord.Encode(Event);
        byte[] crc = BitConverter.GetBytes(RecordChecksum.Of(5, 3, record));
        Assert.Equal([1, 3, 0, 0, 0, 0, 0, 0, 0, .. crc, .. record], StoredEvent.Of(5, 3, Event).Message);
    }

    [Theory]
    [InlineData("event/2")]
    [InlineData("")]
    public void Another_manifest_is_refused_by_name(string manifest)
    {
        var refused = Assert.Throws<JournalFormatException>(() => Serializer.FromBinary(StoredEvent.Of(0, 1, Event).Message, manifest));
        Assert.Contains($"'{manifest}'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_version_and_a_cut_head_are_refused()
    {
        byte[] message = StoredEvent.Of(0, 1, Event).Message;
        var later = Assert.Throws<JournalFormatException>(() => Serializer.FromBinary([2, .. message[1..]], "event/1"));
        Assert.Contains("version 2", later.Message, StringComparison.Ordinal);
        Assert.Throws<JournalFormatException>(() => Serializer.FromBinary(message[..12], "event/1"));
        Assert.Throws<JournalFormatException>(() => Serializer.FromBinary([], "event/1"));
    }

    [Fact]
    public void Nothing_but_stored_events_is_written()
    {
        Assert.Throws<ArgumentException>(() => Serializer.ToBinary("text"));
        Assert.Throws<ArgumentException>(() => Serializer.Manifest("text"));
    }
}
