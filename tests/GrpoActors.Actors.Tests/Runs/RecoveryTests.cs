using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

public sealed class RecoveryTests : IDisposable
{
    private readonly TinyRun tiny = new();

    public void Dispose() => tiny.Dispose();

    [Fact]
    public async Task A_lost_tail_of_the_journal_is_computed_again_and_meets_the_checkpoint()
    {
        string expected = (await tiny.Train()).Hashes;
        LoseTheTail(step: 3);
        Outcome again = await tiny.Train();
        Assert.Equal(expected, again.Hashes);
        Assert.Equal([4, 5, 6, 7], again.Steps.Select(step => step.RunStep));
        Assert.Contains(tiny.Log.Lines, line => line.Contains("The journal ends at step 3, but a checkpoint of step 7 exists", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_lost_tail_that_comes_out_differently_stops_the_run_before_the_step_is_durable()
    {
        await tiny.Train();
        LoseTheTail(step: 3);
        tiny.Even = (x, _) => ValueTask.FromResult<float?>(x.Completion.Length); // not what was rewarded before
        for (int start = 0; start < 2; start++)
        {
            var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
            Assert.Contains("computed again after the journal lost its tail, differs from what the checkpoint of step", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task In_arrival_order_a_lost_tail_is_refused_until_it_is_accepted_once()
    {
        tiny.Overrides.AddRange([("order", "arrival"), ("lag", "1")]);
        await tiny.Train();
        LoseTheTail(step: 3);
        var refused = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.Contains("--accept-lost-tail", refused.Message, StringComparison.Ordinal);
        tiny.AcceptLostTail = true;
        await tiny.StopAfter(1);
        tiny.AcceptLostTail = false;
        Outcome outcome = await tiny.Train();
        Assert.Equal(7, outcome.Steps[^1].RunStep);
    }

    [Fact]
    public async Task A_damaged_newest_checkpoint_is_named_and_an_older_one_gives_the_same_hashes()
    {
        using var undisturbed = new TinyRun();
        string expected = (await undisturbed.Train()).Hashes;
        await tiny.StopAfter(6);
        string newest = Directory.GetDirectories(tiny.CheckpointFolder, "step-*").Order(StringComparer.Ordinal).Last();
        string weights = Path.Combine(newest, "weights.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[^5] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.Contains(tiny.Log.Lines, line => line.StartsWith("Warning: The checkpoint of step", StringComparison.Ordinal) && line.Contains("is not used", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_any_checkpoint_the_whole_journal_is_trained_again()
    {
        using var undisturbed = new TinyRun();
        string expected = (await undisturbed.Train()).Hashes;
        await tiny.StopAfter(5);
        Directory.Delete(tiny.CheckpointFolder, recursive: true);
        Outcome again = await tiny.Train();
        Assert.Equal(expected, again.Hashes);
        Assert.True(again.Steps[0].RunStep >= 6); // nothing is sampled again
    }

    [Fact]
    public async Task Without_its_journal_a_run_computes_everything_again_and_must_meet_its_checkpoints()
    {
        string expected = (await tiny.Train()).Hashes;
        tiny.Journal.Delete();

        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.DoesNotContain(tiny.Log.Lines, line => line.Contains("is started again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_update_that_replays_to_other_bits_stops_the_run_and_names_the_step()
    {
        await tiny.StopAfter(6);
        Directory.Delete(tiny.CheckpointFolder, recursive: true);
        List<RunEvent> events = tiny.Events();
        int at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 1 });
        var step = (RunEvent.StepCommitted)events[at];
        events[at] = step with { Inputs = step.Inputs with { LearningRate = step.Inputs.LearningRate * 1.5 } };
        tiny.Journal.Rewrite(events);
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.StartsWith("Step 2 trained again gives other bits", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_event_that_cannot_follow_is_a_damaged_journal_and_names_the_record()
    {
        await tiny.Train();
        List<RunEvent> events = tiny.Events();
        int at = events.FindIndex(e => e is RunEvent.StepCommitted { Inputs.Step: 4 });
        events.RemoveAt(at);
        tiny.Journal.Rewrite(events);
        var damaged = await Assert.ThrowsAsync<JournalDamagedException>(() => tiny.Train());
        Assert.Contains("cannot follow the records before it", damaged.Message, StringComparison.Ordinal);
    }

    /// <summary>Everything after this many committed steps is gone from the journal; checkpoints stay.</summary>
    private void LoseTheTail(int step)
    {
        List<RunEvent> events = tiny.Events();
        tiny.Journal.Rewrite(events[..(events.FindIndex(e => e is RunEvent.StepCommitted x && x.Inputs.Step == step - 1) + 1)]);
    }
}
