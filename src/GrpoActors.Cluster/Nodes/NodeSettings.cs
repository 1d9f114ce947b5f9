using Akka.Configuration;
using GrpoActors.Cluster.Bulk;

namespace GrpoActors.Cluster.Nodes;

/// <summary>The times and counts of <c>hocon/reference.conf</c> that a node reads itself.</summary>
internal sealed record NodeSettings(
    TimeSpan DrainMax, TimeSpan RejoinAfter, TimeSpan AskAgainAfter, TimeSpan LeaseLength, TimeSpan LeaseRenewal, TimeSpan AppendMax, int RestartsMax, int CommandsPerAppendMax,
    int BulkDownloadsMax, int ContentDownloadsMax, ContentStoreOptions Contents, BulkClientOptions Downloads)
{
    public static NodeSettings Of(Config config) => new(
        config.GetTimeSpan("grpo.node.drain-max"),
        config.GetTimeSpan("grpo.node.rejoin-after"),
        config.GetTimeSpan("grpo.worker.ask-again-after"),
        config.GetTimeSpan("grpo.coordinator.lease.length"),
        config.GetTimeSpan("grpo.coordinator.lease.renew-every"),
        config.GetTimeSpan("grpo.coordinator.append-max"),
        config.GetInt("grpo.coordinator.restarts-max"),
        config.GetInt("grpo.coordinator.commands-per-append-max"),
        config.GetInt("grpo.bulk.downloads-max"),
        config.GetInt("grpo.bulk.content-downloads-max"),
        new ContentStoreOptions(config.GetLong("grpo.bulk.contents-bytes-max"), config.GetTimeSpan("grpo.bulk.contents-age-max")),
        new BulkClientOptions
        {
            Retries = new(
                config.GetInt("grpo.bulk.tries-max"),
                config.GetTimeSpan("grpo.bulk.first-pause"),
                config.GetTimeSpan("grpo.bulk.pause-max"),
                config.GetTimeSpan("grpo.bulk.silence-max"))
            {
                BusyMax = config.GetTimeSpan("grpo.bulk.busy-max"),
            },
        });
}
