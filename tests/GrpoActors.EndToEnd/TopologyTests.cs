using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>Promise 3: the result of a canonical run depends on nothing but the run file.</summary>
public sealed class TopologyTests
{
    private static readonly string[] Short = ["--set", "phases.sft.steps=5", "--set", "phases.grpo.steps=3"];

    private static readonly string[] Wide =
    [
        "--set", "phases.sft.steps=5", "--set", "phases.grpo.steps=4", "--set", "lag=1", "--set", "phases.grpo.num_iterations=2", "--set", "phases.grpo.mini_batches=2",
        "--set", "phases.grpo.beta=0.02", "--set", "phases.grpo.drop_zero_spread=true", "--set", "phases.grpo.refill=2",
    ];

    [Fact]
    public void The_number_of_generators_and_threads_does_not_change_the_hashes()
    {
        using var scratch = new Scratch();
        string one = Grpo.Hashes(Grpo.Train(scratch["1"], [.. Short, "--generators", "1", "--threads", "1"]));
        string two = Grpo.Hashes(Grpo.Train(scratch["2"], [.. Short, "--generators", "2", "--threads", "2"]));
        string eight = Grpo.Hashes(Grpo.Train(scratch["8"], [.. Short, "--generators", "8", "--threads", "1", "--set", "micro_batch_tokens=700"]));
        Assert.Equal(one, two);
        Assert.Equal(one, eight);
    }

    [Fact]
    public void Nor_do_they_with_lag_several_updates_a_step_and_refill()
    {
        using var scratch = new Scratch();
        string one = Grpo.Hashes(Grpo.Train(scratch["1"], [.. Wide, "--generators", "1"]));
        string eight = Grpo.Hashes(Grpo.Train(scratch["8"], [.. Wide, "--generators", "8", "--threads", "1"]));
        Assert.Equal(one, eight);
    }

    [Fact]
    public void Neither_the_vector_width_nor_the_lack_of_fused_multiply_add_changes_the_hashes()
    {
        using var scratch = new Scratch();
        JsonElement native = Grpo.Train(scratch["native"], Short);
        JsonElement narrow = Grpo.Train(scratch["narrow"], Short, ("DOTNET_EnableAVX512", "0"), ("DOTNET_EnableAVX512F", "0"));
        JsonElement unfused = Grpo.Train(scratch["unfused"], Short, ("DOTNET_EnableAVX2", "0"), ("DOTNET_EnableAVX512", "0"), ("DOTNET_EnableAVX512F", "0"));
        if (native.GetProperty("vectorBits").GetInt32() > 256)
        {
            Assert.Equal(256, narrow.GetProperty("vectorBits").GetInt32());
        }

        if (native.GetProperty("fma").GetBoolean())
        {
            Assert.False(unfused.GetProperty("fma").GetBoolean());
            Assert.Equal(128, unfused.GetProperty("vectorBits").GetInt32());
        }

        Assert.Equal(Grpo.Hashes(native), Grpo.Hashes(narrow));
        Assert.Equal(Grpo.Hashes(native), Grpo.Hashes(unfused));
    }
}
