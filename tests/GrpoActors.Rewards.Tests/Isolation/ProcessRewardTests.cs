using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using GrpoActors.Core.Completions;
using GrpoActors.Rewards.Isolation;

namespace GrpoActors.Rewards.Tests.Isolation;

/// <summary>A fact that starts a hostile program: only where that is killed with all it starts, under limits.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HostileFactAttribute : FactAttribute
{
    public HostileFactAttribute()
    {
        if (Sandbox.OfThisMachine.Kind != SandboxKind.Namespace)
        {
            Skip = $"a hostile program is not started without a PID namespace and limits: {Sandbox.OfThisMachine.Description}";
        }
    }
}

public sealed class ProcessRewardTests : IDisposable
{
    /// <summary>Reads a question, does what the completion says, and answers 1 where that gets so far.</summary>
    private const string Server = """
        while IFS= read -r line; do
          id=${line#*'"id":'}; id=${id%%,*}
          case $line in
            *'"completion":"good'*) ;;
            *'"completion":"late'*) sleep 600 ;;
            *'"completion":"loop'*) while :; do :; done ;;
            *'"completion":"children'*) for i in 1 2 3; do sh -c 'while :; do sleep 1; done' & done; setsid sleep 600 & sleep 600 ;;
            *'"completion":"orphans'*) (sleep 600 &) ; (setsid sleep 600 &) ; exit 5 ;;
            *'"completion":"bomb'*) n=0; while [ $n -lt 40 ]; do sleep 600 & n=$((n+1)); done ;;
            *'"completion":"allocate'*) x=0123456789abcdef; while :; do x=$x$x; done ;;
            *'"completion":"flood lines'*) yes ;;
            *'"completion":"flood'*) yes | tr -d '\n' ;;
            *'"completion":"complain'*) yes complaint | head -c 3000000 >&2 ;;
            *'"completion":"file'*) yes > "$TMP_FILE" ;;
            *'"completion":"crash'*) kill -SEGV $$ ;;
            *'"completion":"exit'*) echo 'cannot go on' >&2; exit 3 ;;
            *'"completion":"garbage'*) echo '<html>'; continue ;;
            *'"completion":"word'*) echo "{\"id\":$id,\"score\":\"high\"}"; continue ;;
            *'"completion":"nan'*) echo "{\"id\":$id,\"score\":1e999}"; continue ;;
            *'"completion":"twice'*) echo "{\"id\":$id,\"score\":1}" ;;
            *'"completion":"abstain'*) echo "{\"id\":$id,\"score\":null}"; continue ;;
            *'"completion":"once'*) [ "$id" = 1 ] || exit 9 ;;
            *'"completion":"secret'*) [ -z "$GRPO_TEST_SECRET$HOME" ] || exit 9 ;;
          esac
          echo "{\"id\":$id,\"score\":1}"
        done
        """;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan KernelPatience = TimeSpan.FromMinutes(5);
    private static readonly ScoreOutcome One = new ScoreOutcome.Scored(1);

    private readonly string marker = $"grpo-{Guid.NewGuid():N}";
    private readonly ProcessReward reward;

    public ProcessRewardTests()
    {
        Environment.SetEnvironmentVariable("GRPO_TEST_SECRET", "x");
        var environment = ImmutableSortedDictionary<string, string>.Empty.Add("MARKER", marker).Add("TMP_FILE", $"/tmp/{marker}");
        var limits = new ScorerLimits(MemoryBytes: 64 << 20, CpuSeconds: 30, Processes: 12, OutputBytes: 4096, FileBytes: 1 << 16);
        reward = new ProcessReward("/bin/sh", ["-c", Server], environment, limits, 1, Sandbox.OfThisMachine);
    }

    public void Dispose()
    {
        reward.Dispose();
        File.Delete($"/tmp/{marker}");
    }

    [HostileFact]
    public async Task A_program_is_asked_a_line_and_answers_a_line()
    {
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal(One, await Score("good"));
        }

        Assert.Equal(ScoreOutcome.NotApplicable, await Score("abstain"));
        Assert.Equal(One, await Score(new string('x', 300_000)));
    }

    [HostileFact]
    public async Task It_sees_no_environment_of_ours() => Assert.Equal(One, await Score("secret"));

    [HostileFact]
    public async Task A_call_that_fails_in_a_process_that_served_others_is_made_again_in_a_fresh_one()
    {
        Assert.Equal(One, await Score("good"));
        Assert.Equal(One, await Score("once"));
    }

    [HostileFact]
    public async Task A_second_answer_is_not_taken_for_the_next_question()
    {
        Assert.Equal(One, await Score("twice"));
        Assert.Equal(ScoreOutcome.NotApplicable, await Score("abstain"));
    }

    [HostileFact]
    public Task A_sleeper_is_killed_at_its_deadline() => TimesOut("late");

    [HostileFact]
    public Task An_endless_loop_is_killed_at_its_deadline() => TimesOut("loop");

    [HostileFact]
    public async Task A_frozen_program_is_killed_at_its_deadline()
    {
        var time = new ManualTime();
        Task<ScoreOutcome> call = RewardCall.Run(reward, Input("loop"), Deadline, time, CancellationToken.None);
        Assert.True(SpinWait.SpinUntil(() => Marked().Any(), KernelPatience));
        using (Process freeze = Process.Start("kill", ["-STOP", .. Marked().Select(folder => folder["/proc/".Length..])]))
        {
            await freeze.WaitForExitAsync();
        }

        await time.Armed;
        time.PassAllDeadlines();
        Assert.Equal(new ScoreOutcome.TimedOut(Deadline), await call);
        AssertNothingIsLeft();
        Assert.Equal(One, await Score("good"));
    }

    [HostileFact]
    public Task Children_are_killed_with_it_also_those_in_a_session_of_their_own() => TimesOut("children");

    [HostileFact]
    public Task Orphans_end_with_it() => Faults("orphans", "exit code 5");

    [HostileFact]
    public async Task More_children_than_it_may_have_cannot_be_made()
    {
        await Late("bomb"); // the shell gives up, or sits there until its deadline
        AssertNothingIsLeft();
    }

    [HostileFact]
    public async Task An_endless_loop_ends_at_its_CPU_limit_before_a_long_deadline()
    {
        using ProcessReward limited = With(new ScorerLimits(64 << 20, CpuSeconds: 1, 12, 4096, 1 << 16));
        var fault = Assert.IsType<ScoreOutcome.Faulted>(await RewardCall.Run(limited, Input("loop"), TimeSpan.FromMinutes(2), new ManualTime(), CancellationToken.None));
        Assert.Contains("CPU time", fault.Reason);
    }

    [HostileFact]
    public Task An_allocation_beyond_the_limit_ends_it() => Faults("allocate", "its process");

    [HostileFact]
    public Task A_flood_without_a_line_end_is_cut_off() => Faults("flood", "output_bytes");

    [HostileFact]
    public Task A_flood_of_lines_is_a_wrong_answer() => Faults("flood lines", "answered 'y'");

    [HostileFact]
    public async Task A_flood_of_complaints_holds_nobody_up() => Assert.Equal(One, await Score("complain"));

    [HostileFact]
    public async Task A_file_is_not_longer_than_it_may_be()
    {
        await Score("file");
        Assert.InRange(new FileInfo($"/tmp/{marker}").Length, 1, 1 << 16);
    }

    [HostileFact]
    public Task A_crash_is_a_fault_that_names_the_signal() => Faults("crash", "signal 11");

    [HostileFact]
    public Task An_exit_is_a_fault_with_what_it_said() => Faults("exit", "exit code 3; it said: cannot go on");

    [HostileFact]
    public Task Garbage_is_a_fault_not_a_number() => Faults("garbage", "answered '<html>'");

    [HostileFact]
    public Task A_score_that_is_no_number_is_a_fault() => Faults("word", "\"high\"");

    [HostileFact]
    public async Task A_score_beyond_all_numbers_is_a_fault() =>
        Assert.Contains("no finite number", Assert.IsType<ScoreOutcome.Faulted>(await Score("nan")).Reason);

    [HostileFact]
    public async Task Hostile_completions_leave_the_others_alone()
    {
        string[] completions = ["good", "loop", "good", "crash", "good", "flood", "garbage", "good"];
        ScoreOutcome[] outcomes = await Task.WhenAll(completions.Select(completion => completion == "loop" ? Late(completion) : Score(completion)));
        for (int i = 0; i < completions.Length; i++)
        {
            Assert.Equal(completions[i] == "good", outcomes[i] == One);
        }

        Assert.Equal(1, outcomes.Count(outcome => outcome is ScoreOutcome.TimedOut));
        reward.Dispose();
        AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_a_fault_or_a_sentence()
    {
        if (Sandbox.OfThisMachine.Kind == SandboxKind.None)
        {
            Assert.Contains("cannot be limited", Assert.Single(RewardRegistry.BuiltIn.Make("process", """{"command":"x"}""").Errors).Problem);
            return;
        }

        IReward absent = RewardRegistry.BuiltIn.Make("process", """{"command":"/nowhere/scorer"}""").Reward!;
        Assert.Contains("/nowhere/scorer", Assert.IsType<ScoreOutcome.Faulted>(await RewardCall.Run(absent, Input("good"), Deadline, new ManualTime(), CancellationToken.None)).Reason);
    }

    [Fact]
    public void All_mistakes_in_its_settings_are_told_at_once()
    {
        RewardMade made = RewardRegistry.BuiltIn.Make("process", """{"args":"x","env":[],"memory_bytes":5,"color":1}""");
        Assert.Superset(new HashSet<string> { "command", "args", "env", "memory_bytes", "color" }, made.Errors.Select(error => error.Key).ToHashSet());
    }

    private async Task TimesOut(string completion)
    {
        Assert.Equal(new ScoreOutcome.TimedOut(Deadline), await Late(completion));
        AssertNothingIsLeft();
        Assert.Equal(One, await Score("good"));
    }

    private async Task Faults(string completion, string saying)
    {
        var fault = Assert.IsType<ScoreOutcome.Faulted>(await Score(completion));
        Assert.Contains(saying, fault.Reason);
        AssertNothingIsLeft();
        Assert.Equal(One, await Score("good"));
    }

    /// <summary>Killed processes go when the kernel gets to them; nothing else makes them go.</summary>
    private void AssertNothingIsLeft() =>
        Assert.True(SpinWait.SpinUntil(() => !Marked().Any(), KernelPatience), "A process of the reward is still there.");

    private IEnumerable<string> Marked()
    {
        byte[] mark = Encoding.ASCII.GetBytes($"MARKER={marker}");
        return Directory.EnumerateDirectories("/proc").Where(folder => char.IsDigit(folder[6])).Where(IsMarked);

        bool IsMarked(string folder)
        {
            try
            {
                return File.ReadAllBytes($"{folder}/environ").AsSpan().IndexOf(mark) >= 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false; // gone
            }
        }
    }

    private ProcessReward With(ScorerLimits limits) =>
        new("/bin/sh", ["-c", Server], ImmutableSortedDictionary<string, string>.Empty.Add("MARKER", marker), limits, 1, Sandbox.OfThisMachine);

    private static RewardInput Input(string completion) => new("p", completion, "a", ImmutableSortedDictionary<string, JsonElement>.Empty, 2, false);

    /// <summary>By a clock that stands still: however slowly the program starts, what it answers counts.</summary>
    private Task<ScoreOutcome> Score(string completion) => RewardCall.Run(reward, Input(completion), Deadline, new ManualTime(), CancellationToken.None);

    /// <summary>By the real clock: for what does not answer at all.</summary>
    private Task<ScoreOutcome> Late(string completion) => RewardCall.Run(reward, Input(completion), Deadline, TimeProvider.System, CancellationToken.None);
}
