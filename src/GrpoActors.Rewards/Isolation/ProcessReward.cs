using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace GrpoActors.Rewards.Isolation;

/// <summary>Kind <c>process</c>: an external program judges, shut in by <see cref="Sandbox"/> and killed with its children at the deadline.</summary>
/// <remarks>
/// One JSON object a line on its stdin, one on its stdout:
/// <code>
/// {"id":7,"prompt":"2+2=","completion":"4","answer":"4","columns":{},"tokens":2,"truncated":false}
/// {"id":7,"score":1}        null abstains; the id must be the question's
/// </code>
/// A process serves one call at a time, and one after the other as long as it answers well; the first call that goes wrong is its last. A call that goes wrong in a process that has
/// served others is made again in a fresh one, so that no outcome depends on what a process did before. It ends when its stdin closes.
/// </remarks>
public sealed class ProcessReward : IReward, IDisposable
{
    public const string Kind = "process";

    private readonly string _command;
    private readonly ImmutableArray<string> _arguments;
    private readonly ImmutableSortedDictionary<string, string> _environment;
    private readonly ScorerLimits _limits;
    private readonly Sandbox _sandbox;
    private readonly ConcurrentBag<ScorerProcess> _idle = [];
    private volatile bool _disposed;

    public ProcessReward(string command, ImmutableArray<string> arguments, ImmutableSortedDictionary<string, string> environment, ScorerLimits limits, int revision, Sandbox sandbox)
    {
        _command = AtHome(command);
        _arguments = [.. arguments.Select(AtHome)];
        _environment = environment;
        _limits = limits;
        _sandbox = sandbox;
        Revision = revision;
    }

    public string Name => Kind;

    public int Revision { get; }

    public string? Objection => IsThere(_command) ? null
        : $"name the command \"{_command}\", and there is no such program {(_command.Contains('/', StringComparison.Ordinal) ? "here" : "on PATH")}";

    public static IReward? From(RewardSettings settings)
    {
        string command = settings.Text("command") ?? "";
        if (command.Length == 0)
        {
            settings.Wrong("command", "is missing.", "Name a program on PATH, or its full path.");
        }

        if (Sandbox.OfThisMachine.Kind == SandboxKind.None)
        {
            settings.Wrong("", $"cannot be limited here: {Sandbox.OfThisMachine.Description}.", "Install util-linux, or use another kind of reward.");
        }

        var limits = new ScorerLimits(
            settings.Size("memory_bytes", 1 << 20, 1L << 30), settings.Size("cpu_seconds", 1, 60), settings.Size("processes", 1, 16),
            (int)Math.Min(settings.Size("output_bytes", 64, 1 << 16), 1 << 24), settings.Size("file_bytes", 0, 1 << 24));
        return new ProcessReward(command, settings.Texts("args"), settings.NamedTexts("env"), limits, settings.Count("revision", 0) ?? 1, Sandbox.OfThisMachine);
    }

    // As a shell does, which no command passes through.
    private static string AtHome(string text) => text.StartsWith("~/", StringComparison.Ordinal)
        ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..]
        : text;

    private static bool IsThere(string command) => command.Contains('/', StringComparison.Ordinal)
        ? File.Exists(command)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Any(folder => File.Exists(Path.Combine(folder, command)));

    public async ValueTask<float?> ScoreAsync(RewardInput input, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (true)
        {
            ScorerProcess process = _idle.TryTake(out ScorerProcess? idle) ? idle : ScorerProcess.Start(_sandbox, _limits, _command, _arguments, _environment);
            bool fresh = process.Answered == 0;
            bool good = false;
            try
            {
                float? score;
                using (cancellation.Register(process.Kill))
                {
                    long id = process.Answered + 1; // in a fresh process the same whatever went before
                    score = Score(await process.Ask(Question(id, input)), id);
                }

                cancellation.ThrowIfCancellationRequested();
                good = !_disposed;
                return score;
            }
            catch (ScorerProcessException) when (!fresh && !cancellation.IsCancellationRequested)
            {
                // What it served before may be why: asked again in a fresh one.
            }
            finally
            {
                if (good)
                {
                    _idle.Add(process);
                }
                else
                {
                    process.Dispose();
                }
            }
        }
    }

    public void Dispose()
    {
        _disposed = true;
        while (_idle.TryTake(out ScorerProcess? process))
        {
            process.Dispose();
        }
    }

    private static byte[] Question(long id, RewardInput input)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("prompt", input.Prompt);
            json.WriteString("completion", input.Completion);
            json.WriteString("answer", input.Answer);
            json.WriteStartObject("columns");
            foreach (var (name, value) in input.Columns)
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }

            json.WriteEndObject();
            json.WriteNumber("tokens", input.Tokens);
            json.WriteBoolean("truncated", input.Truncated);
            json.WriteEndObject();
        }

        return bytes.WrittenSpan.ToArray();
    }

    private static float? Score(ReadOnlyMemory<byte> line, long id)
    {
        try
        {
            using JsonDocument answer = JsonDocument.Parse(line);
            JsonElement root = answer.RootElement;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("id", out JsonElement of) && of.ValueKind == JsonValueKind.Number
                && of.TryGetInt64(out long answered) && answered == id && root.TryGetProperty("score", out JsonElement score))
            {
                switch (score.ValueKind)
                {
                    case JsonValueKind.Null:
                        return null;
                    case JsonValueKind.Number:
                        return score.GetSingle();
                    default:
                        break;
                }
            }
        }
        catch (JsonException)
        {
            // told below
        }

        string shown = Encoding.UTF8.GetString(line.Span[..Math.Min(line.Length, 100)]);
        throw new ScorerProcessException($"its process answered '{shown}', and {{\"id\":{id},\"score\":NUMBER or null}} was expected");
    }
}
