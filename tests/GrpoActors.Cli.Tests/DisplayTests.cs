using System.Text.Json;
using GrpoActors.Cli.Displays;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Reports;
using Spectre.Console;
using Xunit;

namespace GrpoActors.Cli.Tests;

public sealed class DisplayTests
{
    [Fact]
    public async Task A_step_is_one_line_with_what_it_must_show()
    {
        var talk = new StringWriter();
        await new PlainDisplay(talk).Watch(Reports.Stream(Reports.Sft(9), Reports.Grpo(12)));
        Assert.Equal(
            [
                "sft   9/700  loss 1.2346  grad 0.500  lr 1.00e-3    4,000 tok/s  eta 5:45 +",
                "grpo  12/300  reward 0.712 ± 0.310  no spread  13%  kl 0.0012  entropy 0.451  length 11.3  lag 0    7,200 tok/s  eta 1:55",
            ],
            talk.ToString().TrimEnd().Split(Environment.NewLine));
    }

    [Fact]
    public async Task Evaluations_and_samples_stand_beside_their_step()
    {
        var talk = new StringWriter();
        await new PlainDisplay(talk).Watch(Reports.Stream(Reports.Grpo(1, new Evaluation(400, 221, 0.5, default), Reports.Sample())));
        string[] lines = talk.ToString().TrimEnd().Split(Environment.NewLine);
        Assert.Equal("held-out accuracy before grpo step 1: 55.3% (221 of 400)", lines[0]);
        Assert.Equal("  23+45= <think>86</think><answer>68</answer>  reward 1 (answer 1, format -)  advantage +0.530", lines[2]);
    }

    [Fact]
    public void Control_characters_of_a_completion_do_not_reach_the_terminal() =>
        Assert.Contains("a⏎b·[31m", StepLine.Sample(Reports.Sample("a\nb\u001b[31m")));

    [Fact]
    public async Task The_live_view_keeps_every_step_line()
    {
        var screen = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(screen),
        });
        console.Profile.Width = 160;
        await new Displays.LiveDisplay(console).Watch(Reports.Stream(Reports.Sft(1), Reports.Sft(2), Reports.Grpo(1, new Evaluation(400, 221, 0.5, default), Reports.Sample("[red]no markup[/]"))));
        foreach (string line in new[] { "sft   1/700", "sft   2/700", "grpo   1/300", "55.3% (221 of 400)", "[red]no markup[/]", "1/300  1:59 left" })
        {
            Assert.Contains(line, screen.ToString());
        }
    }

    [Fact]
    public void The_json_result_has_the_keys_that_scripts_read()
    {
        using JsonDocument json = JsonDocument.Parse(ResultText.Json(Reports.Result()));
        Assert.Equal(
            [
                "run", "steps", "seconds", "accuracyBefore", "accuracyAfter", "rewardFirst", "rewardLast", "tokensSampled", "tokensTrained",
                "outcomesByTiming", "rewards", "exact", "exactOn", "vectorBits", "fma", "weightsSha256", "optimizerSha256", "ledgerSha256",
            ],
            json.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal(0.91, json.RootElement.GetProperty("accuracyAfter").GetDouble());
        Assert.Equal(64, json.RootElement.GetProperty("ledgerSha256").GetString()!.Length);
    }

    [Fact]
    public void A_stopped_run_says_how_to_go_on()
    {
        Assert.Contains("the same command goes on", string.Join('\n', ResultText.Lines(Reports.Result(end: null))));
        Assert.Contains("55.3% before, 91.0% after", string.Join('\n', ResultText.Lines(Reports.Result())));
    }
}
