using System.Collections;
using System.CommandLine;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;

namespace GrpoActors.Cli.Commands;

/// <summary>A run file and what is laid over it: the environment, <c>--set</c>, and the settings that have options of their own.</summary>
internal sealed class RunFileArguments
{
    private readonly Argument<string> _file = new("RUNFILE") { Description = "A run file, such as recipes/arithmetic.json." };

    private readonly Option<string[]> _set = new("--set") { Description = "Set one setting; may be repeated. Phases and rewards by name: phases.grpo.steps=3", HelpName = "KEY=VALUE", DefaultValueFactory = _ => [] };

    private readonly Option<string?> _runDir = new("--run-dir") { Description = "The run folder; by default runs/ and the run file's name.", HelpName = "DIR" };

    private readonly Option<string?> _seed = new("--seed") { Description = "Key of every random number.", HelpName = "N" };

    private readonly Option<string?> _generators = new("--generators") { Description = "Workers that sample; changes speed, never the result.", HelpName = "N" };

    private readonly Option<string?> _threads = new("--threads") { Description = "Threads; changes speed, never the result. 0: one for each core.", HelpName = "N" };

    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (Option option in new Option[] { _set, _runDir, _seed, _generators, _threads })
        {
            command.Add(option);
        }
    }

    public string File(ParseResult parsed) => parsed.GetRequiredValue(_file);

    /// <exception cref="MistakeException">An option has no value.</exception>
    public GrpoRunSettings Settings(ParseResult parsed) => new()
    {
        Environment = [.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""))],
        Overrides = [.. Assignments(parsed)],
    };

    private IEnumerable<(string Key, string Value)> Assignments(ParseResult parsed)
    {
        foreach (string assignment in parsed.GetValue(_set) ?? [])
        {
            int equals = assignment.IndexOf('=');
            yield return equals > 0
                ? (assignment[..equals].Trim(), assignment[(equals + 1)..])
                : throw new MistakeException($"--set {assignment} has no value. Write --set KEY=VALUE, for example --set phases.grpo.steps=3.");
        }

        foreach (var (key, option) in new[] { ("run_dir", _runDir), ("seed", _seed), ("generators", _generators), ("threads", _threads) })
        {
            if (parsed.GetValue(option) is { } value)
            {
                yield return (key, value);
            }
        }
    }
}
