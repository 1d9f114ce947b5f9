using System.Text.Json;
using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Journal.Records;
using GrpoActors.Runtime.Recorded;
using Microsoft.Data.Sqlite;
using Xunit;

namespace GrpoActors.EndToEnd;

public sealed class ReplayTests : IDisposable
{
    private static readonly string[] Short =
    [
        "--set", "phases.sft.steps=3", "--set", "phases.grpo.steps=4", "--set", "phases.grpo.groups_per_step=4", "--set", "phases.sft.examples_per_step=8",
        "--set", "phases.grpo.beta=0.04", "--set", "checkpoint_steps=2", "--set", "evaluation.every=0", "--set", "lag=1",
    ];

    private readonly Scratch scratch = new();

    private string Folder => scratch["run"];

    public void Dispose() => scratch.Dispose();

    [Fact]
    public void A_step_computed_again_is_the_same_to_the_bit_and_a_changed_record_is_told()
    {
        Grpo.Train(Folder, Short);
        foreach (int step in (int[])[2, 4, 7])
        {
            Finished same = Grpo.Run(["replay", Folder, "--step", $"{step}", "--json"]);
            Assert.True(same.ExitCode == 0, same.Output + same.Error);
            Assert.True(Grpo.LastObject(same.Output).GetProperty("same").GetBoolean());
        }

        Finished absent = Grpo.Run(["replay", Folder, "--step", "8"]);
        Assert.Equal(1, absent.ExitCode);
        Assert.Contains("its steps are 1 to 7", absent.Error, StringComparison.Ordinal);

        ChangeEntropyOf(stepsBefore: 6);
        Finished changed = Grpo.Run(["replay", Folder, "--step", "7"]);
        Assert.Equal(1, changed.ExitCode);
        Assert.Contains("DIFFERS  entropy recorded 0.5", changed.Output, StringComparison.Ordinal);
        Assert.Contains("same     update", changed.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_is_followed_from_the_version_that_drew_it_to_its_step()
    {
        Grpo.Train(Folder, Short);
        Finished token = Grpo.Run(["inspect", Folder, "--group", "1.p.5", "--token", "0"]);
        Assert.Equal(0, token.ExitCode);
        Assert.Contains("position 0 of completion 1.p.5.0", token.Output, StringComparison.Ordinal);
        Assert.Contains("version    v3", token.Output, StringComparison.Ordinal); // step 5, second of its phase, lag 1
        Assert.Contains("step       5, lag 1", token.Output, StringComparison.Ordinal);

        Assert.Equal(2, Grpo.Run(["inspect", Folder, "--group", "1.p.5", "--token", "9999"]).ExitCode);
        Assert.Equal(2, Grpo.Run(["inspect", Folder, "--token", "1"]).ExitCode);
    }

    /// <summary>A metric: neither the digests nor the ledger cover it.</summary>
    private void ChangeEntropyOf(long stepsBefore)
    {
        string path = Path.Combine(Folder, "journal.db");
        StoredRecord record = default;
        RunEvent.StepCommitted? changed = null;
        using (IJournalReader reader = RunJournal.Of(null, Path.GetFullPath(Folder), RecordedRun.Open(Folder).Identity).OpenForReading())
        {
            record = reader.Stored().First(candidate => EventRecord.Decode(candidate.Payload) is RunEvent.StepCommitted committed && committed.Inputs.Step == stepsBefore);
            var whole = (RunEvent.StepCommitted)EventRecord.Decode(record.Payload);
            changed = whole with { Outputs = whole.Outputs with { Metrics = [.. whole.Outputs.Metrics.Select(metric => metric.Name == "entropy" ? metric with { Value = 0.5 } : metric)] } };
        }

        byte[] payload = EventRecord.Encode(changed);
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "UPDATE journal SET message = $message WHERE sequence_number = $number";
        command.Parameters.AddWithValue("$message", RecordMessage.Of(new StoredRecord(record.Position, record.Fence, RecordChecksum.Of(record.Position, record.Fence, payload), payload)));
        command.Parameters.AddWithValue("$number", record.Position + 1);
        command.ExecuteNonQuery();
    }
}
