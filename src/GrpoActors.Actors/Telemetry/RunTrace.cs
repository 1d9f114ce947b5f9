using System.Collections.Immutable;
using System.Diagnostics;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Telemetry;

/// <summary>Measures what becomes durable: each event once, in the process that appended it.</summary>
/// <remarks>The activities of groups and steps are made when they end, so that none is the current one of an actor meanwhile.</remarks>
internal sealed class RunTrace(RunInstruments instruments, TimeProvider time)
{
    private readonly Dictionary<GroupId, DateTimeOffset> opened = [];
    private DateTimeOffset? stepBegan;

    /// <summary>The run begins here, or again.</summary>
    public void Begin()
    {
        opened.Clear();
        stepBegan = time.GetUtcNow();
    }

    public void Appended(ImmutableArray<FoldedEvent> events, TimeSpan elapsed)
    {
        instruments.AppendDuration.Record(elapsed.TotalSeconds);
        instruments.AppendEvents.Record(events.Length);
        DateTimeOffset now = time.GetUtcNow();
        foreach (FoldedEvent e in events)
        {
            Add(e, now);
        }
    }

    private void Add(FoldedEvent e, DateTimeOffset now)
    {
        switch (e.Event)
        {
            case RunEvent.GroupOpened x when RunInstruments.Activities.HasListeners():
                opened[x.Group] = now;
                break;
            case RunEvent.CompletionsScored x:
                instruments.GroupsCompleted.Add(1);
                if (opened.Remove(x.Group, out DateTimeOffset began))
                {
                    Activity("grpo.group", began, now, ("grpo.group", x.Group.ToString()), ("grpo.version", x.Version.Steps));
                }

                break;
            case RunEvent.GroupClosed { Reason: not DropReason.None } x:
                instruments.GroupsDropped.Add(1, new KeyValuePair<string, object?>("reason", x.Reason.ToString()));
                opened.Remove(x.Group);
                break;
            case RunEvent.StepCommitted or RunEvent.RolledBack:
                instruments.Steps.Add(1);
                if (stepBegan is { } before)
                {
                    instruments.StepDuration.Record((now - before).TotalSeconds);
                    Activity("grpo.step", before, now, ("grpo.step", e.After.Version.Steps), ("grpo.phase", e.Before.PhasePlan?.Name));
                }

                stepBegan = now;
                break;
        }
    }

    private static void Activity(string name, DateTimeOffset began, DateTimeOffset ended, params ReadOnlySpan<(string Key, object? Value)> tags)
    {
        using Activity? activity = RunInstruments.Activities.StartActivity(name, ActivityKind.Internal, parentContext: default, startTime: began);
        if (activity is not null)
        {
            foreach ((string key, object? value) in tags)
            {
                activity.SetTag(key, value);
            }

            activity.SetEndTime(ended.UtcDateTime);
        }
    }
}
