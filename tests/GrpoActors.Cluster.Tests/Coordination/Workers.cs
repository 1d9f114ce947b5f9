using Akka.TestKit;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Wire;
using GrpoActors.Core;
using GrpoActors.Core.Generation;

namespace GrpoActors.Cluster.Tests.Coordination;

/// <summary>What workers say, and what it is about.</summary>
internal static class Workers
{
    public static readonly Digest Identity = Digest.Of("plan");
    public const string Revision = "1";

    public static Introduction Named(string name) => new(name, Identity, Revision);

    public static GroupId Group(long ordinal) => new(1, GroupStream.Primary, ordinal);

    public static Ticket Ticket(long ordinal, long version = 0) => new(Group(ordinal), ordinal, [0, 1], new PolicyVersion(version));

    public static WeightsRef Weights(long version) => new(new PolicyVersion(version), Digest.Of($"policy {version}"), Digest.Of($"bytes {version}"), 10, new Uri("http://127.0.0.1:1/weights"));

    /// <summary>The next message of this kind; others that come before it are passed over.</summary>
    public static T Next<T>(this TestProbe worker) => (T)worker.FishForMessage(message => message is T);
}
