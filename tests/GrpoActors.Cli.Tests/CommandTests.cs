using System.CommandLine;
using System.Runtime.CompilerServices;
using System.Text.Json;
using GrpoActors.Cli.Commands;
using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Cli.Tests;

public sealed class CommandTests
{
    private static readonly string Recipe = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../recipes/arithmetic.json"));

    [Fact]
    public void The_recipe_has_no_mistakes()
    {
        var (code, data, talk) = Run("config", "check", Recipe);
        Assert.Equal((ExitCodes.Done, ""), (code, talk));
        Assert.Contains("no mistakes", data);
    }

    [Fact]
    public void Mistakes_go_to_stderr_and_exit_with_2()
    {
        var (code, data, talk) = Run("config", "check", Recipe, "--set", "phases.grpo.mini_batches=5", "--set", "lagg=1");
        Assert.Equal((ExitCodes.Mistake, ""), (code, data));
        Assert.Equal(3, talk.TrimEnd().Split('\n').Length);
        Assert.Contains("phases.grpo.mini_batches: is 5, which does not divide groups_per_step (32). Try 4 or 8.", talk);
    }

    [Fact]
    public void Show_prints_every_setting_with_its_source()
    {
        var (code, data, _) = Run("config", "show", Recipe, "--seed", "7");
        Assert.Equal(ExitCodes.Done, code);
        Assert.Matches(@"(?m)^seed +7 +--", data);
        Assert.Matches(@"(?m)^phases\.grpo\.steps +\d+ +arithmetic\.json:\d+$", data);
        Assert.Matches(@"(?m)^lag +0 +default$", data);
    }

    [Fact]
    public void Show_as_json_is_one_object()
    {
        using JsonDocument json = JsonDocument.Parse(Run("config", "show", Recipe, "--json").Data);
        Assert.True(json.RootElement.GetProperty("ok").GetBoolean());
        Assert.Contains(json.RootElement.GetProperty("settings").EnumerateArray(), setting => setting.GetProperty("key").GetString() == "phases.grpo.beta");
    }

    [Fact]
    public void A_dry_run_starts_nothing()
    {
        string folder = Path.Combine(Path.GetTempPath(), $"grpo-dry-{Environment.ProcessId}");
        Assert.Equal(ExitCodes.Done, Run("train", Recipe, "--run-dir", folder, "--dry-run").Code);
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public void A_dry_run_predicts_the_memory_and_a_reference_costs_one_copy_of_the_weights()
    {
        using JsonDocument without = JsonDocument.Parse(Run("train", Recipe, "--dry-run", "--json").Data), with = JsonDocument.Parse(Run("train", Recipe, "--dry-run", "--json", "--set", "phases.grpo.beta=0.1").Data);
        long Peak(JsonDocument json) => json.RootElement.GetProperty("memory").GetProperty("peakBytes").GetInt64();
        long weights = without.RootElement.GetProperty("memory").GetProperty("parts").EnumerateArray().First(part => part.GetProperty("what").GetString() == "weights").GetProperty("trainingBytes").GetInt64();
        Assert.InRange(weights, 3_000_000, 4_000_000); // 0.86 million parameters
        Assert.Equal(weights, Peak(with) - Peak(without));
        Assert.Matches(@"(?m)^# Memory, MB: \d+ resident at the peak", Run("train", Recipe, "--dry-run").Data);
    }

    [Theory]
    [InlineData("config", "check", "nowhere.json")]
    [InlineData("train", "nowhere.json", "--json")]
    public void A_missing_run_file_is_a_mistake(params string[] arguments) =>
        Assert.Contains("nowhere.json", Assert.Throws<ConfigException>(() => Run(arguments)).Message);

    [Fact]
    public void A_set_without_a_value_is_a_mistake() =>
        Assert.Contains("--set lag has no value", Assert.Throws<MistakeException>(() => Run("config", "check", Recipe, "--set", "lag")).Message);

    [Fact]
    public void Every_command_shows_an_example()
    {
        using var signals = new Signals(TextWriter.Null);
        Assert.All(Leaves(Root.Build(signals)), command => Assert.Contains("Example:\n  grpo ", command.Description));
    }

    private static IEnumerable<Command> Leaves(Command command) =>
        command.Subcommands.Count == 0 ? [command] : command.Subcommands.SelectMany(Leaves);

    private static (int Code, string Data, string Talk) Run(params string[] arguments)
    {
        using var signals = new Signals(TextWriter.Null);
        var data = new StringWriter();
        var talk = new StringWriter();
        int code = Root.Build(signals).Parse(arguments).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = data, Error = talk });
        return (code, data.ToString(), talk.ToString());
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
