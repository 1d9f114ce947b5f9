using Akka.Actor;
using Akka.Serialization;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;

namespace GrpoActors.Actors.Persistence;

/// <summary>The bytes of <see cref="StoredEvent"/> in the journal's table.</summary>
internal sealed class JournalSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    public override int Identifier => RecordMessage.SerializerId;

    public override string Manifest(object o) => o is StoredEvent ? RecordMessage.Manifest : throw NotOurs(o);

    public override byte[] ToBinary(object obj) => obj is StoredEvent stored ? stored.Message : throw NotOurs(obj);

    /// <exception cref="JournalFormatException">Manifest or version are none that this program knows.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (manifest != RecordMessage.Manifest)
        {
            throw new JournalFormatException(
                $"The journal holds a message of kind '{manifest}', and this program reads '{RecordMessage.Manifest}': use the program that wrote it, or a newer one.");
        }

        RecordMessage.RequireHead(bytes);
        return new StoredEvent(bytes);
    }

    private static ArgumentException NotOurs(object o) => new($"{o.GetType().Name} is no message of the journal.", nameof(o));
}
