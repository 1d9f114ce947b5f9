using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The torch engine as a user runs it, on libtorch's CPU device. <c>grpo chaos --set engine=torch</c> is the long form of its kills.</summary>
public sealed class TorchTests
{
    private static readonly string[] Options =
    [
        "--set", "engine=torch", "--set", "phases.sft.steps=6", "--set", "phases.grpo.steps=4", "--set", "empty_steps_max=12", "--set", "save_steps=3", "--set", "evaluation.eval_steps=0",
    ];

    private static readonly (string Name, string Value) LibTorch = ("GRPO_LIBTORCH", (string)AppContext.GetData("GrpoActors.LibTorch")!);

    [Fact]
    public void A_run_that_is_killed_ends_with_the_hashes_of_the_undisturbed_one_on_the_same_device()
    {
        using var scratch = new Scratch();
        JsonElement undisturbed = Grpo.Train(scratch["undisturbed"], Options, LibTorch);
        Assert.True(undisturbed.GetProperty("exact").GetBoolean());
        Assert.StartsWith("torch-1, libtorch 2.10", undisturbed.GetProperty("exactOn").GetString(), StringComparison.Ordinal);
        foreach (string point in new[] { "append StepCommitted#4", "post Progress#30|post CompletionsArrived#3", "effect PublishVersion#2" })
        {
            Finished killed = Grpo.Run(["train", Grpo.Recipe, "--run-dir", scratch["killed"], .. Options], LibTorch, ("GRPO_CRASH_AT", point));
            Assert.True(killed.ExitCode == 137, $"Expected SIGKILL at {point}, but grpo ended with {killed.ExitCode}:\n{killed.Error}");
        }

        Assert.Equal(Grpo.Hashes(undisturbed), Grpo.Hashes(Grpo.Train(scratch["killed"], Options, LibTorch)));
    }

    [Fact]
    public void Without_libtorch_a_sentence_says_what_was_looked_for_and_what_to_install()
    {
        using var scratch = new Scratch();
        Finished finished = Grpo.Run(["train", Grpo.Recipe, "--run-dir", scratch["run"], .. Options], ("GRPO_LIBTORCH", scratch["nowhere"]));
        Assert.Equal(2, finished.ExitCode);
        Assert.Contains($"the variable GRPO_LIBTORCH names {scratch["nowhere"]}, where no libtorch_cpu.so lies. Install PyTorch 2.10", finished.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_libtorch_does_not_see_is_named_with_what_to_look_at()
    {
        using var scratch = new Scratch();
        Finished finished = Grpo.Run(["train", Grpo.Recipe, "--run-dir", scratch["run"], .. Options, "--set", "device=cuda:7"], LibTorch, ("CUDA_VISIBLE_DEVICES", ""));
        Assert.Equal(2, finished.ExitCode);
        Assert.Contains("device: is cuda:7, but this libtorch sees no CUDA device.", finished.Error, StringComparison.Ordinal);
    }
}
