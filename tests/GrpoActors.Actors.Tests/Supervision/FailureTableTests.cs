using GrpoActors.Actors.Supervision;
using GrpoActors.Actors.Tests.Runs;
using GrpoActors.Core.Runs;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Supervision;

/// <summary>Each row of the table in a whole run: what failed, and what became of the run. Single actors are held to it by <c>WorkerActorTests</c> and <c>RunActorTests</c>.</summary>
public sealed class FailureTableTests : IDisposable
{
    private const string Sampler = "post CompletionsArrived", Reward = "post ScoreArrived", Training = "post BatchTrained", Evaluator = "post EvaluationDone";

    private readonly TinyRun undisturbed = new(), tiny = new();

    public static TheoryData<string, string> Engines { get; } = new()
    {
        { Sampler, "generator-[12]" },
        { Reward, "scorer-[12]" },
        { Training, "trainer" },
        { Evaluator, "evaluator" },
    };

    public static TheoryData<string, Exception> Final
    {
        get
        {
            var rows = new TheoryData<string, Exception>();
            foreach (string engine in (string[])[Sampler, Reward, Training, Evaluator])
            {
                rows.Add(engine, new StaleWriterException("Another process has opened the journal."));
                rows.Add(engine, new RunFailedException("No checkpoint is whole."));
                rows.Add(engine, new JournalDamagedException("Record 4 is damaged.", 4));
            }

            return rows;
        }
    }

    public void Dispose()
    {
        undisturbed.Dispose();
        tiny.Dispose();
    }

    [Fact]
    public void The_table_is_what_its_page_says()
    {
        (Exception Failure, FailureResponse Engine, FailureResponse Protocol)[] rows =
        [
            (new StaleWriterException(""), FailureResponse.StopStale, FailureResponse.StopStale),
            (new RunFailedException(""), FailureResponse.StopRun, FailureResponse.StopRun),
            (new JournalDamagedException("", 0), FailureResponse.StopRun, FailureResponse.StopRun),
            (new StorageException(""), FailureResponse.RestartChild, FailureResponse.RecoverRun),
            (new IOException(), FailureResponse.RestartChild, FailureResponse.RecoverRun),
            (new InvalidOperationException(), FailureResponse.RestartChild, FailureResponse.RecoverRun),
        ];
        Assert.All(rows, row => Assert.Equal((row.Engine, row.Protocol), (FailureTable.Of(FailedChild.Engine, row.Failure), FailureTable.Of(FailedChild.Protocol, row.Failure))));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_engine_that_fails_once_is_started_again_and_the_result_is_the_same(string point, string name)
    {
        string expected = (await undisturbed.Train()).Hashes;
        tiny.CrashPoints = CrashPoints.Parse($"{point}#2", _ => throw new InvalidOperationException("it broke"));
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.Matches($"^Warning: {name} failed and is started again \\(1 of 3\\): it broke$", Assert.Single(Restarts()));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task One_that_fails_again_and_again_stops_the_run_by_name_and_the_same_command_goes_on(string point, string name)
    {
        string expected = (await undisturbed.Train()).Hashes;
        tiny.CrashPoints = CrashPoints.Watching(reached =>
        {
            if (reached == point)
            {
                throw new InvalidOperationException("it broke");
            }
        });
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.Matches($"^{name} failed 4 times, the last time with: it broke$", failure.Message);
        tiny.CrashPoints = CrashPoints.None;
        Assert.Equal(expected, (await tiny.Train()).Hashes);
    }

    [Theory]
    [MemberData(nameof(Final))]
    public async Task What_no_restart_mends_stops_the_run_at_once_and_is_what_its_caller_gets(string point, Exception failure)
    {
        tiny.CrashPoints = CrashPoints.Parse($"{point}#1", _ => throw failure);
        Assert.Same(failure, await Assert.ThrowsAnyAsync<Exception>(() => tiny.Train()));
        Assert.Empty(Restarts());
        tiny.CrashPoints = CrashPoints.None;
        await tiny.Train();
    }

    [Theory]
    [InlineData("hear WorkAsked")]
    [InlineData("hear BatchTrained")]
    [InlineData("append StepCommitted")]
    [InlineData("appended StepCommitted")]
    [InlineData("effect TrainBatch")]
    [InlineData("effect RunScorer done")]
    [InlineData("grant lease")]
    [InlineData("order TrainBatch")]
    [InlineData("report BatchTrained")]
    public async Task Where_an_actor_fails_that_decides_or_routes_the_run_begins_again_from_its_journal_to_the_same_result(string point)
    {
        string expected = (await undisturbed.Train()).Hashes;
        tiny.CrashPoints = CrashPoints.Parse($"{point}#1", _ => throw new InvalidOperationException("a bug"));
        Assert.Equal(expected, (await tiny.Train()).Hashes);
        Assert.EndsWith("a bug", Assert.Single(tiny.Log.Lines, line => line.StartsWith("Warning: The run begins again from its journal (1 of 5): ", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_fails_again_and_again_ends_the_run_with_its_sentence()
    {
        tiny.CrashPoints = CrashPoints.Watching(reached =>
        {
            if (reached == "hear BatchTrained")
            {
                throw new InvalidOperationException("a bug");
            }
        });
        Assert.Equal("a bug", (await Assert.ThrowsAsync<InvalidOperationException>(() => tiny.Train())).Message);
        Assert.Equal(5, tiny.Log.Lines.Count(line => line.StartsWith("Warning: The run begins again from its journal", StringComparison.Ordinal)));
        tiny.CrashPoints = CrashPoints.None;
        await tiny.Train();
    }

    [Fact]
    public async Task A_run_that_another_process_has_overtaken_stops_at_its_next_append_and_has_changed_nothing()
    {
        List<RunEvent>? found = null;
        tiny.CrashPoints = CrashPoints.Parse("append StepCommitted#3", _ =>
        {
            tiny.Journal.Append(new RunEvent.RunEnded(2, RunEnd.TooManyRollbacks));
            found = tiny.Events();
        });
        var overtaken = await Assert.ThrowsAsync<StaleWriterException>(() => tiny.Train());
        Assert.StartsWith("Another process has appended to the journal", overtaken.Message, StringComparison.Ordinal);
        Assert.EndsWith("this one stops and has changed nothing.", overtaken.Message, StringComparison.Ordinal);
        Assert.Equal(found!.Count, tiny.Events().Count);
        Assert.Empty(Restarts());
    }

    private IEnumerable<string> Restarts() => tiny.Log.Lines.Where(line => line.StartsWith("Warning", StringComparison.Ordinal) && (line.Contains("is started again", StringComparison.Ordinal) || line.Contains("begins again", StringComparison.Ordinal)));
}
