using Akka.Actor;
using Akka.Cluster;
using GrpoActors.Cluster.Operations;
using GrpoActors.Formats.Files;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Nodes;

/// <summary>
/// The addresses of the cluster's other members, kept in the node's folder: a node that was killed finds the cluster again through any of them, and does not begin one of its own beside it.
/// </summary>
internal sealed class KnownMembers(string file, ILogger log)
{
    /// <summary>Those of the last time; none where they cannot be read.</summary>
    public IReadOnlyList<Address> Read()
    {
        try
        {
            return File.Exists(file) ? [.. File.ReadAllLines(file).Where(line => line.Length > 0).Select(Address.Parse)] : [];
        }
        catch (Exception e) when (DiskFailure.Is(e) || e is UriFormatException or ArgumentException)
        {
            log.MembersUnusable(file, DiskFailure.Is(e) ? DiskFailure.Reason(e) : "a line is no address");
            return [];
        }
    }

    /// <summary>A loss costs one slow restart, so a failure is told and no more.</summary>
    public void Keep(IEnumerable<Address> others)
    {
        try
        {
            string aside = file + ".part";
            File.WriteAllLines(aside, others.Select(address => address.ToString()).Order(StringComparer.Ordinal));
            File.Move(aside, file, overwrite: true);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            log.MembersNotKept(file, DiskFailure.Reason(e));
        }
    }

    /// <summary>Keeps them up to date.</summary>
    internal sealed class Watcher : ReceiveActor
    {
        private readonly HashSet<Address> others = [];

        public Watcher(KnownMembers members)
        {
            var cluster = Akka.Cluster.Cluster.Get(Context.System);
            Receive<ClusterEvent.MemberUp>(x =>
            {
                if (x.Member.Address != cluster.SelfAddress && others.Add(x.Member.Address))
                {
                    members.Keep(others);
                }
            });
            Receive<ClusterEvent.MemberRemoved>(x =>
            {
                if (others.Remove(x.Member.Address))
                {
                    members.Keep(others);
                }
            });
            cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberUp), typeof(ClusterEvent.MemberRemoved));
        }

        protected override void PostStop() => Akka.Cluster.Cluster.Get(Context.System).Unsubscribe(Self);
    }
}
