using System.CommandLine;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Evaluations;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Cli.Models;

/// <summary>Which data file is asked, how its rows are read, how answers are drawn and judged. What is not said follows from the run's plan.</summary>
internal sealed class DataArguments
{
    private const int UsualCompletionLength = 256;

    private readonly Option<string?> _data = new("--data") { Description = "A jsonl file of problems: prompt or messages, and what the reward asks for, such as answer.", HelpName = "FILE" };

    private readonly Option<int> _samples = new("-n", "--samples") { Description = "Answers to each problem.", HelpName = "N", DefaultValueFactory = _ => 1 };

    private readonly Option<bool> _greedy = new("--greedy") { Description = "The most probable token each time; one answer." };

    private readonly Option<double?> _temperature = new("--temperature") { Description = "By default the plan's, or 1.", HelpName = "T" };

    private readonly Option<double?> _topP = new("--top-p") { Description = "By default the plan's, or 1: off.", HelpName = "P" };

    private readonly Option<int?> _length = new("--max-completion-length") { Description = $"In tokens; by default the plan's, or {UsualCompletionLength}.", HelpName = "N" };

    private readonly Option<string?> _reward = new("--reward") { Description = "Name of a reward of the plan, or a kind; by default the plan's evaluation.reward, or number_answer.", HelpName = "NAME" };

    private readonly Option<string?> _settings = new("--reward-settings") { Description = "Settings of the kind, as JSON.", HelpName = "JSON" };

    private readonly Option<double?> _threshold = new("--threshold") { Description = "An answer that scores this much is right; by default the plan's, or 1.", HelpName = "X" };

    private readonly Option<string?> _prompt = new("--prompt-column") { Description = "By default the plan's, or prompt.", HelpName = "NAME" };

    private readonly Option<string?> _answer = new("--answer-column") { Description = "By default the plan's, or answer.", HelpName = "NAME" };

    private readonly Option<string?> _template = new("--prompt-template") { Description = "The prompt's text; {prompt} stands for the column's. By default the plan's.", HelpName = "TEXT" };

    private readonly Option<bool> _chat = new("--chat") { Description = "A model's: render prompts with its chat template, as messages of the user. A run keeps to its plan." };

    private readonly Option<ulong> _seed = new("--seed") { Description = "Key of the random numbers.", HelpName = "N", DefaultValueFactory = _ => 42 };

    private readonly Option<int> _threads = new("--threads") { Description = "0: one for each core. Changes speed, never the result.", HelpName = "N" };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _data, _samples, _greedy, _temperature, _topP, _length, _reward, _settings, _threshold, _prompt, _answer, _template, _chat, _seed, _threads })
        {
            command.Add(option);
        }
    }

    public bool Given(ParseResult parsed) => parsed.GetValue(_data) is not null;

    public string File(ParseResult parsed) => parsed.GetValue(_data)!;

    public bool Chat(ParseResult parsed) => parsed.GetValue(_chat);

    public DataColumns Columns(ParseResult parsed, LoadedPolicy policy)
    {
        DataColumns planned = policy.Phase?.Data.Columns ?? new DataColumns();
        string template = parsed.GetValue(_template) ?? planned.Template;
        return template.Contains(DataColumns.Placeholder, StringComparison.Ordinal)
            ? new DataColumns(parsed.GetValue(_prompt) ?? planned.Prompt, parsed.GetValue(_answer) ?? planned.Answer, template)
            : throw new MistakeException($"--prompt-template \"{template}\" does not hold {DataColumns.Placeholder}.");
    }

    public DataEvaluationSettings Settings(ParseResult parsed, LoadedPolicy policy)
    {
        GroupPlan? plan = policy.Phase?.Group;
        SamplingPlan sampling = plan?.Sampling ?? new SamplingPlan(1, 0, 1, 0, 1, [], [.. policy.Spec.EosTokens]);
        sampling = sampling with { Temperature = parsed.GetValue(_temperature) ?? sampling.Temperature, TopP = parsed.GetValue(_topP) ?? sampling.TopP };
        bool greedy = parsed.GetValue(_greedy);
        int samples = greedy ? 1 : parsed.GetValue(_samples);
        int length = parsed.GetValue(_length) ?? plan?.MaxCompletionLength ?? Math.Min(UsualCompletionLength, policy.Spec.ContextLength / 2);
        Expect(samples is >= 1 and <= 4096, "-n", samples, "a whole number from 1 to 4096");
        Expect(sampling.Temperature is > 0 and < double.PositiveInfinity, "--temperature", sampling.Temperature, "a number above 0; --greedy takes the most probable token");
        Expect(sampling.TopP is > 0 and <= 1, "--top-p", sampling.TopP, "a number above 0 and at most 1");
        Expect(length >= 1 && length < policy.Spec.ContextLength, "--max-completion-length", length, $"a whole number from 1 to {policy.Spec.ContextLength - 1}");
        double threshold = parsed.GetValue(_threshold) ?? policy.Plan?.Identity.Evaluation?.Threshold ?? 1;
        return new DataEvaluationSettings(samples, sampling, greedy, length, threshold, parsed.GetValue(_seed), parsed.GetValue(_threads), Planned(parsed, policy)?.ShowsSpecialTokens == true);
    }

    public IReward Reward(ParseResult parsed, LoadedPolicy policy)
    {
        RewardPlan? planned = Planned(parsed, policy);
        RewardMade made = RewardRegistry.BuiltIn.Make(planned?.Kind ?? RewardName(parsed, policy), planned?.Settings ?? parsed.GetValue(_settings) ?? "");
        return made.Reward ?? throw new ConfigException([.. made.Errors.Select(error => error with { Key = error.Key.Length == 0 ? "--reward" : $"--reward-settings.{error.Key}" })]);
    }

    private string RewardName(ParseResult parsed, LoadedPolicy policy) => parsed.GetValue(_reward) ?? policy.Plan?.Identity.Evaluation?.Reward ?? NumberAnswer.Kind;

    /// <summary>The reward as the policy's run names it; null where it names none, or the command line has other settings.</summary>
    private RewardPlan? Planned(ParseResult parsed, LoadedPolicy policy) =>
        parsed.GetValue(_settings) is null ? policy.Plan?.Identity.Rewards.FirstOrDefault(reward => reward.Name == RewardName(parsed, policy)) : null;

    private static void Expect(bool right, string option, object value, string expected)
    {
        if (!right)
        {
            throw new MistakeException($"{option} is {value}. Expected {expected}.");
        }
    }
}
