using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards.Code;

namespace GrpoActors.Rewards.Tests.Code;

public sealed class CodeRewardTests
{
    private const string Doubles = """[{"input": "2\n", "output": "4"}, {"input": "-3\n", "output": "-6"}]""";

    [CodeTheory]
    [InlineData(Doubles, "print(int(input()) * 2)", 1f)]
    [InlineData(Doubles, "print(abs(int(input())) * 2)", 0.5f)]
    [InlineData(Doubles, "print(int(input()) * 2, end='  \\n\\n')", 1f)] // white space at the ends of lines does not count
    [InlineData(Doubles, "print('4')\nprint('-6')", 0f)]
    [InlineData(Doubles, "this is no program", 0f)]
    [InlineData("""{"inputs": ["1\n"], "outputs": ["2\n"]}""", "print(int(input()) * 2)", 1f)]
    [InlineData("""["assert f(2) == 4", "assert f(3) == 7"]""", "def f(x): return 2 * x", 0.5f)]
    [InlineData("""[{"assert": "assert f(2) == 5"}]""", "import sys\nsys.exit(0)", 0f)] // an early exit passes nothing
    [InlineData("""[{"assert": "assert f(2) == 5"}]""", "import os\nos._exit(0)", 0f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 4"}]""", "def f(x): return 2 * x", 1f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 5"}]""", "def f(x): return 2 * x", 0f)]
    [InlineData("""[{"file": "hidden.py", "content": "from main import f\nassert f(2) == 5"}]""", "raise SystemExit(0)", 0f)]
    public async Task The_score_is_the_share_of_tests_passed(string tests, string code, float expected) => Assert.Equal(expected, await Score("{}", tests, code));

    [CodeFact]
    public async Task All_or_nothing_and_other_languages_by_command()
    {
        Assert.Equal(0f, await Score("""{"partial": false}""", Doubles, "print(abs(int(input())) * 2)"));
        Assert.Equal(1f, await Score("""{"language": "bash"}""", Doubles, "read x; echo $((x * 2))"));
        Assert.Equal(1f, await Score("""{"command": ["sh", "-c", "tr 23 46 < /dev/stdin"], "file": "x"}""", Doubles, "unused"));
    }

    [CodeFact]
    public async Task A_row_without_tests_is_not_judged_one_with_broken_tests_is_a_fault_and_no_code_passes_nothing()
    {
        IReward reward = Make("{}");
        Assert.Null(await reward.ScoreAsync(Input("print(1)", "null"), CancellationToken.None));
        Assert.Equal(0f, await reward.ScoreAsync(Input("", Doubles) with { Completion = "It is 4." }, CancellationToken.None));
        foreach (string broken in (string[])["[]", "7", """[{"in": 1}]""", """[{"file": "../x", "content": ""}]""", "\"no json\""])
        {
            await Assert.ThrowsAsync<FormatException>(async () => await reward.ScoreAsync(Input("print(1)", broken), CancellationToken.None));
        }
    }

    [CodeFact]
    public async Task Each_test_says_why_it_failed()
    {
        var reward = (CodeReward)Make("""{"test_seconds": 2}""");
        ImmutableArray<CodeOutcome>? outcomes = await reward.Outcomes(
            Input("x = input()\nif x == '1': print(1)\nif x == '2': raise ValueError('two')\nif x == '4':\n  while True: pass", """{"inputs": ["1", "2", "3", "4", "5"], "outputs": [1, 2, 3, 4, 5]}"""), CancellationToken.None);
        Assert.Equal(
            [(true, ""), (false, "ended with exit code 1: ValueError: two"), (false, "printed something else"), (false, "no end within 2 s (test_seconds)"), (false, "not run: a test before it ran out of time")],
            outcomes!.Value.Select(outcome => (outcome.Passed, outcome.Why)));
    }

    // Each is a program that tries something; the test passes if it prints "shut in" or is ended. What it must not do is asked for behind it.
    [CodeTheory]
    [InlineData("endless loop", "while True: pass")]
    [InlineData("sleeps", "import time\ntime.sleep(1000)")]
    [InlineData("ignores signals", "import signal\n[signal.signal(s, signal.SIG_IGN) for s in range(1, 32) if s not in (9, 19)]\nwhile True: pass")]
    [InlineData("fork bomb", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass")]
    [InlineData("10 GB", "x = bytearray(10 << 30)")]
    [InlineData("many times 200 MB", "import os\nx = [os.fork() for _ in range(3)]\ny = bytearray(200 << 20)\nwhile True: pass")]
    [InlineData("flood", "while True: print('x' * 100000)")]
    [InlineData("flood of errors", "import sys\nwhile True: sys.stderr.write('x' * 100000)")]
    [InlineData("large file", "f = open('big', 'wb')\nwhile True: f.write(b'x' * 1000000)")]
    [InlineData("many files", "i = 0\nwhile True:\n  i += 1\n  open(str(i), 'w').write('x' * 5000)")]
    [InlineData("daemon", "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    os.close(0); os.close(1); os.close(2)\n    while True: time.sleep(1)")]
    [InlineData("daemon that holds stdout", "import os, time\nif os.fork() == 0:\n  os.setsid()\n  while True: time.sleep(1)")]
    [InlineData("kills its parent and all", "import os, signal\nfor p in [os.getppid(), 1, -1]:\n  try: os.kill(p, signal.SIGKILL)\n  except OSError: pass\nwhile True: pass")]
    public async Task A_hostile_program_costs_its_time_at_most_and_leaves_nothing(string what, string code)
    {
        string mark = $"m{Guid.NewGuid():N}";
        var watch = Stopwatch.StartNew();
        float? score = await Score("""{"test_seconds": 1, "memory_bytes": 400000000}""", """[{"output": "never"}]""", $"{code}\n# {mark}", ["python3", "{file}", mark]);
        Assert.Equal(0f, score);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(12), $"{what}: {watch.Elapsed}");
        await Gone(mark);
    }

    [CodeTheory]
    [InlineData("writes to the system", "open('/usr/x', 'w')")]
    [InlineData("writes to the root", "open('/x', 'w')")]
    [InlineData("symlink out", "import os\nos.symlink('/etc/shadow', 'l')\nopen('l')")]
    [InlineData("symlink to the process that started it", "import os\nos.symlink('/proc/1/root/old', 'l')\nos.listdir('l')")]
    [InlineData("folders of the machine", "import os\nos.listdir('/home') or os.listdir('/root')")]
    [InlineData("the network", "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)")]
    [InlineData("a name server", "import socket\nsocket.getaddrinfo('example.org', 80)")]
    [InlineData("capabilities", "import os\nassert int([l for l in open('/proc/self/status') if l.startswith('CapEff')][0].split()[1], 16) != 0")]
    [InlineData("a namespace of its own", "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0")]
    [InlineData("mounting", "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/box', b'tmpfs', 0, None) == 0")]
    [InlineData("other processes", "import os\nassert len([p for p in os.listdir('/proc') if p.isdigit()]) > 3")]
    [InlineData("the hidden tests", "import glob\nassert any(b'hidden-output' in open(f, 'rb').read() for f in glob.glob('/box/*') + glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ') if 'main.py' not in f)")]
    [InlineData("keys of ours", "import os\nassert 'GRPO_SECRET_OF_A_TEST' in os.environ")]
    public async Task What_it_must_not_reach_it_does_not(string what, string attempt)
    {
        Environment.SetEnvironmentVariable("GRPO_SECRET_OF_A_TEST", "hidden-output");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string port = ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        string code = $"try:\n{string.Join('\n', attempt.Replace("PORT", port, StringComparison.Ordinal).Split('\n').Select(line => "    " + line))}\n    print('reached')\nexcept (OSError, AssertionError):\n    print('shut in')";
        var reward = (CodeReward)Make("""{"test_seconds": 10}""");
        ImmutableArray<CodeOutcome>? shut = await reward.Outcomes(Input(code, """[{"output": "shut in"}, {"output": "hidden-output"}]"""), CancellationToken.None);
        Assert.True(shut!.Value[0].Passed, $"{what}: {shut.Value[0].Why}");
        Assert.False(listener.Pending());
    }

    [CodeFact]
    public async Task The_scratch_folder_is_of_one_test()
    {
        const string Code = "import os\nprint(len(os.listdir('.')))\nopen('left', 'w').write('x')";
        Assert.Equal(1f, await Score("{}", """[{"output": "1"}, {"output": "1"}]""", Code));
    }

    [CodeFact]
    public async Task A_call_that_is_late_is_late_whatever_its_tests_allow()
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Make("""{"test_seconds": 60}""").ScoreAsync(Input("while True: pass", Doubles), late.Token));
    }

    [CodeTheory]
    [InlineData("""{"language": "cobol"}""", "language", "none known here")]
    [InlineData("""{"file": "../x"}""", "file", "without folder")]
    [InlineData("""{"command": []}""", "command", "is empty")]
    [InlineData("""{"paths": ["home"]}""", "paths", "no full path")]
    [InlineData("""{"test_seconds": 0}""", "test_seconds", "at least 1")]
    public void A_mistake_is_named_by_its_key(string settings, string key, string words)
    {
        ConfigError error = Assert.Single(RewardRegistry.BuiltIn.Make("code", settings).Errors);
        Assert.Equal(key, error.Key);
        Assert.Contains(words, error.ToString(), StringComparison.Ordinal);
    }

    private static async Task<float?> Score(string settings, string tests, string code, string[]? command = null)
    {
        string all = command is null ? settings : $"{settings[..^1]}, \"command\": {JsonSerializer.Serialize(command)}}}";
        return await Make(all).ScoreAsync(Input(code, tests), CancellationToken.None);
    }

    private static IReward Make(string settings)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make("code", settings);
        Assert.Empty(made.Errors);
        return made.Reward!;
    }

    private static RewardInput Input(string code, string tests)
    {
        using JsonDocument json = JsonDocument.Parse(tests);
        return new("", $"So:\n```python\n{code}\n```\n", null, ImmutableSortedDictionary<string, JsonElement>.Empty.Add("tests", json.RootElement.Clone()), 1, false);
    }

    /// <summary>No process whose command line has the mark is left. The kernel takes a moment for the last ones.</summary>
    private static async Task Gone(string mark)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (Directory.GetDirectories("/proc").Any(folder => CommandLine(folder).Contains(mark, StringComparison.Ordinal)))
        {
            await Task.Delay(20, patience.Token);
        }
    }

    private static string CommandLine(string folder)
    {
        try
        {
            return Path.GetFileName(folder).All(char.IsAsciiDigit) ? File.ReadAllText(folder + "/cmdline") : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
