using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace GrpoActors.Rewards.Code;

/// <summary>Kind <c>code</c>: runs the completion's last code block against the tests of its row, shut in by <see cref="CodeSandbox"/>.</summary>
/// <remarks>
/// Score: the share of tests passed (<c>partial</c>), or 1 if all are. A completion without a code block passes none; a row without tests makes it abstain; what the sandbox itself gets wrong is a
/// fault. Each test has a process of its own. A test that runs out of time is not passed, and those behind it are not run. Assertions and hidden files share the process with the code, which
/// could look for them: a value that only the end of the test prints says that it was reached, which an early exit does not fake by accident. Pairs of input and output have no such weakness.
/// </remarks>
public sealed partial class CodeReward : IReward
{
    public const string Kind = "code";

    private static readonly ImmutableSortedDictionary<string, (string File, string[] Command, string End)> Languages =
        ImmutableSortedDictionary.Create<string, (string, string[], string)>(StringComparer.Ordinal)
            .Add("python", ("main.py", ["python3", "{file}"], "print('{token}')"))
            .Add("javascript", ("main.js", ["node", "{file}"], "console.log('{token}')"))
            .Add("bash", ("main.sh", ["bash", "{file}"], "echo '{token}'"))
            .Add("c", ("main.c", ["sh", "-c", "cc -O1 -o program {file} -lm && ./program"], ""))
            .Add("cpp", ("main.cpp", ["sh", "-c", "c++ -O1 -o program {file} && ./program"], ""));

    private readonly string _file;
    private readonly ImmutableArray<string> _command;
    private readonly string _end;
    private readonly string _column;
    private readonly bool _partial;
    private readonly ImmutableArray<string> _paths;
    private readonly CodeLimits _limits;

    private CodeReward(string file, ImmutableArray<string> command, string end, string column, bool partial, ImmutableArray<string> paths, CodeLimits limits) =>
        (_file, _command, _end, _column, _partial, _paths, _limits) = (file, command, end, column, partial, paths, limits);

    public string Name => Kind;

    public int Revision => 1;

    public string? Objection => CodeSandbox.Shows(_command[0], _paths) ? null : $"name the command \"{_command[0]}\", which is not in /usr or /bin, and the sandbox shows no other folder unless paths names it";

    public static IReward? From(RewardSettings settings)
    {
        string language = settings.Text("language") ?? "python";
        if (!Languages.TryGetValue(language, out var usual))
        {
            settings.Wrong("language", $"is \"{language}\", which is none known here.", $"Choose one of {string.Join(", ", Languages.Keys)}, or set command and file.");
            usual = Languages["python"];
        }

        string file = settings.Text("file") ?? usual.File;
        if (!CodeTest.IsName(file))
        {
            settings.Wrong("file", $"is \"{file}\", and a file's name without folder is expected.", "Write main.py.");
        }

        ImmutableArray<string> command = settings.Has("command") ? settings.Texts("command") : [.. usual.Command];
        if (command.IsEmpty || command[0].Length == 0)
        {
            settings.Wrong("command", "is empty.", "Write [\"python3\", \"{file}\"].");
        }

        ImmutableArray<string> paths = settings.Texts("paths");
        if (paths.Any(path => !path.StartsWith('/') || path.Length == 1 || path.Contains("..", StringComparison.Ordinal)))
        {
            settings.Wrong("paths", "holds what is no full path below /.", "Name folders that programs may read: [\"/opt/python\"].");
        }

        int seconds = settings.Count("test_seconds", min: 1) ?? 5;
        var limits = new CodeLimits(
            TimeSpan.FromSeconds(seconds), settings.Size("memory_bytes", 1 << 24, 1L << 30), settings.Size("processes", 1, 16),
            (int)Math.Min(settings.Size("output_bytes", 64, 1 << 20), 1 << 26), settings.Size("scratch_bytes", 1 << 16, 1L << 24));
        if (CodeSandbox.Missing is { } missing)
        {
            settings.Wrong("", $"runs programs that a model wrote, and they cannot be shut in here: {missing}.", "Use a Linux machine with util-linux, where a user may make namespaces (sysctl user.max_user_namespaces).");
        }

        return new CodeReward(file, command, settings.Text("end") ?? usual.End, settings.Text("tests") ?? "tests", settings.Flag("partial", true), paths, limits);
    }

    public async ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation)
    {
        ImmutableArray<CodeOutcome>? outcomes = await Outcomes(input, cancellation);
        return outcomes is not { } all ? null : _partial ? (float)all.Count(test => test.Passed) / all.Length : all.All(test => test.Passed) ? 1 : 0;
    }

    /// <summary>What each test said; null where the row has none.</summary>
    public async Task<ImmutableArray<CodeOutcome>?> Outcomes(RewardInput input, CancellationToken cancellation)
    {
        if (!input.Columns.TryGetValue(_column, out JsonElement column) || column.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        ImmutableArray<CodeTest> tests = CodeTest.Read(column);
        if (Block().Matches(input.Completion).LastOrDefault()?.Groups["code"].Value is not { } code)
        {
            return [.. tests.Select(_ => new CodeOutcome(false, "there is no code block"))];
        }

        var outcomes = ImmutableArray.CreateBuilder<CodeOutcome>(tests.Length);
        bool late = false;
        foreach (CodeTest test in tests)
        {
            (CodeOutcome outcome, bool tooLate) = late ? (new CodeOutcome(false, "not run: a test before it ran out of time"), true) : await Try(test, code, cancellation);
            outcomes.Add(outcome);
            late |= tooLate;
        }

        return outcomes.MoveToImmutable();
    }

    private async Task<(CodeOutcome Outcome, bool TooLate)> Try(CodeTest test, string code, CancellationToken cancellation)
    {
        string token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)); // never part of a score: it only says that a test was reached
        string end = _end.Replace("{token}", token, StringComparison.Ordinal);
        var files = ImmutableSortedDictionary.Create<string, byte[]>(StringComparer.Ordinal)
            .Add(_file, Encoding.UTF8.GetBytes(test is CodeTest.Asserted asserted ? $"{code}\n{asserted.Line}\n{end}\n" : code));
        string run = _file;
        if (test is CodeTest.Hidden hidden)
        {
            files = files.SetItem(hidden.File, Encoding.UTF8.GetBytes($"{hidden.Content}\n{end}\n"));
            run = hidden.File;
        }

        string[] command = [.. _command.Select(part => part.Replace("{file}", run, StringComparison.Ordinal))];
        byte[] input = test is CodeTest.Printed { Input: var text } ? Encoding.UTF8.GetBytes(text) : [];
        return await CodeSandbox.Run(command, files, input, _paths, _limits, cancellation) switch
        {
            CodeRun.TooLate => (new CodeOutcome(false, $"no end within {_limits.Wall.TotalSeconds:0} s (test_seconds)"), true),
            CodeRun.TooMuchOutput => (new CodeOutcome(false, $"wrote more than {_limits.OutputBytes} bytes (output_bytes)"), false),
            CodeRun.Ended { ExitCode: not 0 } failed => (new CodeOutcome(false, $"ended with exit code {failed.ExitCode}: {LastLine(failed.Error)}"), false),
            CodeRun.Ended ended when test is CodeTest.Printed printed => (Same(ended.Output, printed.Output) ? new CodeOutcome(true, "") : new CodeOutcome(false, "printed something else"), false),
            CodeRun.Ended ended => (_end.Length == 0 || Lines(ended.Output).LastOrDefault() == token ? new CodeOutcome(true, "") : new CodeOutcome(false, "ended before the end of the test"), false),
            var other => throw new InvalidOperationException($"Unknown end {other}."),
        };
    }

    private static bool Same(string output, string expected) => Lines(output).SequenceEqual(Lines(expected));

    private static List<string> Lines(string text)
    {
        List<string> lines = [.. text.Split('\n').Select(line => line.TrimEnd())];
        while (lines.Count > 0 && lines[^1].Length == 0)
        {
            lines.RemoveAt(lines.Count - 1);
        }

        return lines;
    }

    private static string LastLine(string text)
    {
        string line = Lines(text).LastOrDefault() ?? "";
        return line.Length <= 200 ? line : line[..200] + "...";
    }

    [GeneratedRegex(@"```[^\n`]*\n(?<code>.*?)(?:```|\z)", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Block();
}

/// <param name="Why">Empty where it passed.</param>
public sealed record CodeOutcome(bool Passed, string Why);
