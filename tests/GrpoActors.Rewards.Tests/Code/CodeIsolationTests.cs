using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using GrpoActors.Rewards.Code;
using static GrpoActors.Rewards.Tests.Code.CodeCalls;

namespace GrpoActors.Rewards.Tests.Code;

/// <summary>Programs that want to do harm. As root they run as another user; run these tests as a user too, and they have its rights.</summary>
public sealed class CodeIsolationTests
{
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
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(32), $"{what}: {watch.Elapsed}");
        await Gone(mark);
    }

    [CodeTheory]
    [InlineData("writes to the system", "open('/usr/x', 'w')")]
    [InlineData("writes to the root", "open('/x', 'w')")]
    [InlineData("symlink out", "import os\nos.symlink('/etc/shadow', 'l')\nopen('l')")]
    [InlineData("symlink to the process that started it", "import os\nos.symlink('/proc/1/root', 'l')\nos.listdir('l/old')")]
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
