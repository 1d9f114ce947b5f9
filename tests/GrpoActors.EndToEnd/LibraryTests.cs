using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The run from somebody's own program.</summary>
public sealed class LibraryTests
{
    [Fact]
    public async Task The_lines_that_the_readme_shows_train_a_run_with_a_delegate_as_reward()
    {
        using var scratch = new Scratch();
        string folder = scratch["run"], runFile = TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName, TinyRunFile.Text.Replace("\"save_steps\"", $"\"run_dir\": \"{folder}\", \"save_steps\""));
        await LibrarySnippet.Train(runFile, NullLogger.Instance, CancellationToken.None);
        string[] steps = File.ReadAllLines(Path.Combine(folder, "metrics.jsonl"));
        Assert.Equal(8, steps.Length);
        Assert.All(steps[2..], step => Assert.Contains("\"rewards/brief/mean\":", step, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cancellation_ends_the_stream_and_the_same_lines_go_on()
    {
        using var scratch = new Scratch();
        string folder = scratch["run"], runFile = TinyRunFile.Write(Directory.CreateDirectory(scratch["files"]).FullName, TinyRunFile.Text.Replace("\"save_steps\"", $"\"run_dir\": \"{folder}\", \"save_steps\""));
        using (var stop = new CancellationTokenSource())
        {
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => LibrarySnippet.Train(runFile, NullLogger.Instance, stop.Token));
        }

        await LibrarySnippet.Train(runFile, NullLogger.Instance, CancellationToken.None);
        Assert.Equal(8, File.ReadAllLines(Path.Combine(folder, "metrics.jsonl")).Length);
    }

    [Fact]
    public void The_readme_shows_what_is_compiled()
    {
        string text = File.ReadAllText(Path.Combine(Grpo.Root, "README.md")).ReplaceLineEndings("\n");
        Match shown = Regex.Match(text, "<!-- snippet:library -->\n+```csharp\n(?<code>.*?)```", RegexOptions.Singleline, Regex.InfiniteMatchTimeout);
        Assert.True(shown.Success, "README.md has no ```csharp block after <!-- snippet:library -->.");
        Assert.Equal(Compiled(), shown.Groups["code"].Value.TrimEnd());
    }

    private static string Compiled([CallerFilePath] string here = "")
    {
        string[] lines = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(here)!, "LibrarySnippet.cs"));
        IEnumerable<string> inside = lines.SkipWhile(line => line.Trim() != "// snippet:library").Skip(1).TakeWhile(line => line.Trim() != "// end of snippet");
        return string.Join('\n', inside.Select(line => line.Length >= 4 ? line[4..] : line)).TrimEnd();
    }
}
