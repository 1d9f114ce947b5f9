using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using GrpoActors.Actors.Protocol;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Wire;

/// <summary>Our messages on Akka's wire: the manifest is the kind with its version, the bytes are <see cref="WireFormat"/>'s. No reflection, no polymorphism.</summary>
internal sealed class WireSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    public const int Id = 7_401;

    public override int Identifier => Id;

    public override string Manifest(object o) => WireFormat.KindOf((WorkerMessage)o);

    public override byte[] ToBinary(object obj) => WireFormat.Encode((WorkerMessage)obj);

    /// <exception cref="SerializationException">Unknown kind or version, or bytes that are no message of it. Akka drops the message and logs the sentence.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        try
        {
            return WireFormat.Decode(manifest, bytes);
        }
        catch (JournalFormatException wrong)
        {
            throw new SerializationException(wrong.Message, wrong);
        }
    }
}
