using System.Collections.Concurrent;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Chaos;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class CrashPointTests : IDisposable
{
    private readonly TinyRun tiny = new();

    public void Dispose() => tiny.Dispose();

    [Fact]
    public async Task Every_kind_of_point_is_reached_by_a_run_that_has_everything()
    {
        var reached = new ConcurrentDictionary<string, bool>();
        tiny.Overrides.AddRange([("phases.grpo.steps", "9"), ("journal_steps", "2"), ("save_steps", "1")]);
        tiny.CrashPoints = CrashPoints.Watching(point => reached[point] = true);
        await tiny.Train();

        string[] effects =
        [
            nameof(Effect.SendTickets), nameof(Effect.RunScorer), nameof(Effect.BeginPhase), nameof(Effect.TrainBatch), nameof(Effect.PublishVersion), nameof(Effect.WriteCheckpoint),
            nameof(Effect.RetireCheckpoints), nameof(Effect.DeleteRecords), nameof(Effect.Evaluate), nameof(Effect.SetDeadline),
        ];
        string[] orders = [.. effects.Except([nameof(Effect.SendTickets), nameof(Effect.RunScorer), nameof(Effect.DeleteRecords), nameof(Effect.SetDeadline)])];
        string[] reports =
        [
            nameof(Command.BatchTrained), nameof(Command.VersionPublished), nameof(Command.CheckpointDone), nameof(Command.EvaluationDone), nameof(Command.TrainerRestarted),
        ];
        string[] posts = [.. reports, nameof(Command.Progress), nameof(Command.CompletionsArrived), nameof(Command.ScoreArrived)];
        string[] commands = [.. posts, nameof(Command.GeneratorJoined), nameof(Command.WorkAsked)];
        string[] events =
        [
            nameof(RunEvent.RunStarted), nameof(RunEvent.PhaseStarted), nameof(RunEvent.GroupOpened), nameof(RunEvent.CompletionsScored), nameof(RunEvent.GroupClosed), nameof(RunEvent.StepCommitted),
            nameof(RunEvent.Evaluated), nameof(RunEvent.CheckpointWritten), nameof(RunEvent.CheckpointsRetired), nameof(RunEvent.Compacted), nameof(RunEvent.RunEnded),
        ];
        string[] disk = ["create", "flush", "create-folder", "flush-folder", "rename", "delete-folder"];
        string[] expected =
        [
            "run begins", "run leaves", "delete-records", "delete-records done", "grant lease", "grant lease done",
            .. Both("effect", effects), .. orders.Select(order => $"order {order}"), .. Both("post", posts), .. Both("report", reports), .. Both("hear", commands),
            .. events.Select(e => $"append {e}"), .. events.Select(e => $"appended {e}"), .. disk, .. disk.Select(operation => operation + " done"), "projection create-folder", "projection create-folder done",
        ];
        Assert.Empty(expected.Except(reached.Keys).Order(StringComparer.Ordinal));
    }

    private static IEnumerable<string> Both(string moment, IEnumerable<string> what) => what.SelectMany(one => (string[])[$"{moment} {one}", $"{moment} {one} done"]);
}
