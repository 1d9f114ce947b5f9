using System.Diagnostics;
using GrpoActors.Hub.Tests;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Cli.Tests;

/// <summary>Whole processes, started by a shell as people start them: standard streams closed, broken or full.</summary>
public sealed class StandardStreamTests : IDisposable
{
    private const int Hangs = 124;

    private readonly TemporaryFolder folder = new();

    public StandardStreamTests()
    {
        TinyModelFolder.Create(folder.File("model"));
        File.WriteAllText(folder.File("rows.jsonl"), "{\"prompt\":\"1+1=\",\"answer\":\"2\"}\n");
        File.WriteAllText(folder.File("run.json"), """
            {
              "model": { "path": "model" },
              "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 2, "groups_per_step": 1, "num_generations": 2, "max_completion_length": 4 } ],
              "rewards": [ { "kind": "length", "settings": { "target": 3 } } ]
            }
            """);
    }

    public void Dispose() => folder.Dispose();

    [ShellTheory]
    [InlineData("config check run.json >&-", 0)]
    [InlineData("config check run.json <&- >&- 2>&-", 0)]
    [InlineData("config check absent.json 2>&-", 2)]
    [InlineData("config check absent.json 2>/dev/full", 2)]
    [InlineData("config show run.json >/dev/full", 1)]
    [InlineData("nonsense 2>&-", 2)]
    [InlineData("tokenize model - <&-", 0)]
    [InlineData("logprobs model - <&-", 0)]
    [InlineData("sample model <&-", 0)]
    [InlineData("answer 5 - <&-", 1)]
    public void A_command_ends_with_its_exit_code_whatever_its_streams_are(string command, int expected) => Assert.Equal(expected, Shell($"grpo {command}").Code);

    [ShellTheory]
    [InlineData("2>&-")]
    [InlineData(">&-")]
    [InlineData("<&- >&- 2>&-")]
    [InlineData("2>/dev/full")]
    [InlineData("2>&1 | head -n 1")]
    public void Training_goes_on_to_its_end(string streams)
    {
        Assert.Equal(0, Shell($"set -o pipefail; grpo train run.json --run-dir run {streams}").Code);
        Assert.Contains("ended at step 2: Completed", Shell("grpo inspect run").Output, StringComparison.Ordinal);
    }

    private (int Code, string Output) Shell(string line)
    {
        var start = new ProcessStartInfo("bash", ["-c", $"grpo() {{ timeout 60 dotnet '{typeof(Signals).Assembly.Location}' \"$@\"; }}; {line}"])
        {
            UseShellExecute = false,
            WorkingDirectory = folder.File("."),
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process shell = Process.Start(start)!;
        Task<string> error = shell.StandardError.ReadToEndAsync();
        string output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        Assert.NotEqual(Hangs, shell.ExitCode);
        Assert.DoesNotContain("unexpected", error.Result, StringComparison.Ordinal);
        Assert.DoesNotContain("Stopping", error.Result, StringComparison.Ordinal); // what is printed must not reach the runtime's own pipes
        return (shell.ExitCode, output);
    }

    private sealed class ShellTheoryAttribute : TheoryAttribute
    {
        public ShellTheoryAttribute()
        {
            if (!OperatingSystem.IsLinux())
            {
                Skip = "Closes descriptors in a shell of Linux.";
            }
        }
    }
}
