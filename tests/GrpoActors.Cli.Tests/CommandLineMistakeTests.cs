using System.CommandLine;
using GrpoActors.Cli.Commands;
using Xunit;

namespace GrpoActors.Cli.Tests;

public sealed class CommandLineMistakeTests
{
    [Theory]
    [InlineData("trian run.json", "trian is no command of grpo. Did you mean train?")]
    [InlineData("config chek run.json", "chek is no command of grpo config. Did you mean check?")]
    [InlineData("config zzzzzz", "zzzzzz is no command of grpo config. There are show, check, reference.")]
    [InlineData("train run.json --fresch", "--fresch is no option of grpo train. Did you mean --fresh?")]
    [InlineData("train run.json --run_dir=x", "--run_dir=x is no option of grpo train. Did you mean --run-dir?")]
    [InlineData("train run.json more", "more is more than grpo train takes.")]
    public void What_is_misspelt_is_told_the_nearest_name_and_nothing_else(string line, string expected) => Assert.Equal([expected], Mistakes(line));

    [Theory]
    [InlineData("train", "RUNFILE")]
    [InlineData("", "command")]
    public void What_is_missing_is_named(string line, string expected) => Assert.Contains(expected, Assert.Single(Mistakes(line)), StringComparison.Ordinal);

    [Theory]
    [InlineData("~/rows.jsonl", "{0}/rows.jsonl")]
    [InlineData("--data=~/rows.jsonl", "--data={0}/rows.jsonl")]
    [InlineData("~", "{0}")]
    [InlineData("~ann/rows.jsonl", "~ann/rows.jsonl")]
    [InlineData("a~/b", "a~/b")]
    [InlineData("--text=a~/b", "--text=a~/b")]
    [InlineData("run_dir=~/x", "run_dir=~/x")] // of --set: the run file's reader knows whether it is a path
    public void A_tilde_that_no_shell_has_replaced_is_the_home_folder(string written, string expected) => Assert.Equal(
        string.Format(System.Globalization.CultureInfo.InvariantCulture, expected, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile)), HomeFolder.Expand(written));

    private static string[] Mistakes(string line)
    {
        using var signals = new Signals(TextWriter.Null);
        ParseResult parsed = Root.Build(signals).Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.NotEmpty(parsed.Errors);
        return [.. Root.Mistakes(parsed)];
    }
}
