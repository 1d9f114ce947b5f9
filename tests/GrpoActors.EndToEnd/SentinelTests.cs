using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>Sentinels and compaction in real processes that are killed around them.</summary>
public sealed class SentinelTests : IDisposable
{
    private readonly Scratch scratch = new();
    private readonly string runFile;

    public SentinelTests()
    {
        Directory.CreateDirectory(scratch["files"]);
        runFile = TinyRunFile.Write(scratch["files"]);
    }

    public void Dispose() => scratch.Dispose();

    [Fact]
    public void A_run_that_rolled_back_and_was_killed_around_it_ends_with_the_same_hashes()
    {
        // Every step trips it, so the run goes back three times and then ends: each rollback, the stop and the end are killed at once.
        string[] options = ["--set", "sentinels.grad_norm.threshold=1e-9", "--set", "sentinels.grad_norm.policy=rollback", "--set", "phases.sft.steps=1"];
        Finished undisturbed = Train("undisturbed", options);
        Assert.Equal(1, undisturbed.ExitCode);
        Assert.Contains("grpo: the run ended: too many rollbacks, the last one because the gradient norm is", undisturbed.Error, StringComparison.Ordinal);
        foreach (string point in (string[])["append RolledBack#1", "appended RolledBack#1", "effect RollBack#1", "effect RollBack done#1", "append TrainingStopped#1", "appended TrainingStopped#1", "append RunEnded#1"])
        {
            Finished killed = Train("killed", options, ("GRPO_CRASH_AT", point));
            Assert.True(killed.ExitCode == 137, $"{point} is never reached: {killed.ExitCode}\n{killed.Error}");
        }

        Finished ended = Train("killed", options);
        Assert.Equal(1, ended.ExitCode);
        Assert.Equal(Grpo.Hashes(Grpo.LastObject(undisturbed.Output)), Grpo.Hashes(Grpo.LastObject(ended.Output)));
        Finished audit = Grpo.Run(["audit", scratch["killed"], "--json"]);
        Assert.Equal(0, audit.ExitCode);
        Assert.Equal(Grpo.Hashes(Grpo.LastObject(ended.Output)), Grpo.Hashes(Grpo.LastObject(audit.Output)));
    }

    [Fact]
    public void A_run_killed_around_each_compaction_ends_as_one_that_keeps_its_journal()
    {
        string expected = Grpo.Hashes(Grpo.LastObject(Train("undisturbed", ["--set", "journal_steps=0"]).Output));
        string[] options = ["--set", "journal_steps=2", "--set", "save_steps=1"];
        foreach (string point in (string[])["append Compacted#1", "appended Compacted#1", "append Compacted#1", "delete-records#1", "delete-records done#1", "append CheckpointsRetired#1", "appended CheckpointsRetired#1"])
        {
            Finished killed = Train("killed", options, ("GRPO_CRASH_AT", point));
            Assert.True(killed.ExitCode == 137, $"{point} is never reached: {killed.ExitCode}\n{killed.Error}");
        }

        Finished ended = Train("killed", options);
        Assert.Equal(0, ended.ExitCode);
        Assert.Equal(expected, Grpo.Hashes(Grpo.LastObject(ended.Output)));
        Finished audit = Grpo.Run(["audit", scratch["killed"]]);
        Assert.Equal(0, audit.ExitCode);
        Assert.Contains("were compacted away", audit.Output, StringComparison.Ordinal);
        Assert.Contains("what came before was compacted away", Grpo.Run(["inspect", scratch["killed"]]).Output, StringComparison.Ordinal);
        Finished group = Grpo.Run(["inspect", scratch["killed"], "--group", "1.p.0"]);
        Assert.Equal(2, group.ExitCode);
        Assert.Contains("what came before was compacted away", group.Error, StringComparison.Ordinal);
        Finished gone = Grpo.Run(["replay", scratch["killed"], "--step", "1"]);
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("Step 1 of", gone.Error, StringComparison.Ordinal);
        Assert.Contains("was compacted away", gone.Error, StringComparison.Ordinal);
        Assert.Equal(0, Grpo.Run(["replay", scratch["killed"], "--step", "8"]).ExitCode);
    }

    private Finished Train(string folder, string[] options, params (string Name, string Value)[] environment) =>
        Grpo.Run(["train", runFile, "--run-dir", scratch[folder], "--json", .. options], environment);
}
