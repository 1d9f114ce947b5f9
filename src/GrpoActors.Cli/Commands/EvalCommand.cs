using System.CommandLine;
using System.Text.Json.Nodes;
using GrpoActors.Cli.Models;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Evaluations;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;
using Evaluation = GrpoActors.Core.Runs.Evaluation;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo eval</c>.</summary>
internal static class EvalCommand
{
    private const string Description = """
        Accuracy of a run's checkpoint, greedy, on the plan's held-out problems; or with --data of a checkpoint or a model on any data file, with pass@k, maj@n and avg@n.

        Example:
          grpo eval runs/arithmetic --step 700 --json
          grpo eval runs/gsm8k --data recipes/gsm8k/test.jsonl -n 8
          grpo eval HuggingFaceTB/SmolLM2-135M-Instruct --data problems.jsonl --chat --greedy
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("eval", Description.ReplaceLineEndings("\n"));
        var source = new Argument<string>("RUN") { Description = "A run folder; with --data also a Hugging Face folder, or OWNER/NAME of a model that was pulled." };
        var step = new Option<long?>("--step") { Description = "A checkpoint's step; the newest one by default.", HelpName = "N" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        var data = new DataArguments();
        command.Add(source);
        command.Add(step);
        command.Add(json);
        data.AddTo(command);
        command.SetAction(parsed =>
        {
            string from = parsed.GetRequiredValue(source);
            TextWriter to = parsed.InvocationConfiguration.Output;
            return data.Given(parsed)
                ? RowFile.Guard(() => OnData(from, parsed.GetValue(step), parsed, data, parsed.GetValue(json), signals.Stop))
                : HeldOutOf(from, parsed.GetValue(step), to, parsed.GetValue(json), signals.Stop);
        });
        return command;
    }

    private static int HeldOutOf(string folder, long? step, TextWriter to, bool json, CancellationToken stop)
    {
        RecordedRun run = RecordedRun.Open(folder);
        EvaluationPlan plan = run.Plan.Identity.Evaluation ?? throw new MistakeException($"The plan of {run.Folder} has no evaluation: nothing says what to ask. Name a file with --data.");
        PolicyWeights weights = run.Weights(step);
        using RunSetup setup = run.Setup(RewardRegistry.BuiltIn);
        using ISampler sampler = setup.Engine.OpenSampler();
        Evaluation evaluation = HeldOut.Evaluate(setup, sampler, weights, plan, TimeProvider.System, stop);
        to.WriteLine(json
            ? new JsonObject
            {
                ["run"] = run.Folder,
                ["step"] = weights.Version.Steps,
                ["problems"] = evaluation.Problems,
                ["correct"] = evaluation.Correct,
                ["accuracy"] = evaluation.Accuracy,
                ["meanReward"] = evaluation.MeanReward,
            }.ToJsonString()
            : $"step {weights.Version.Steps}: {evaluation.Correct} of {evaluation.Problems} right ({evaluation.Accuracy:0.0%}), mean {plan.Reward} {evaluation.MeanReward:0.000}");
        return ExitCodes.Done;
    }

    private static int OnData(string from, long? step, ParseResult parsed, DataArguments data, bool json, CancellationToken stop)
    {
        LoadedPolicy policy = LoadedPolicy.Open(from, step, data.Chat(parsed));
        DataEvaluationSettings settings = data.Settings(parsed, policy);
        PromptTable problems = policy.Read(data.File(parsed), data.Columns(parsed, policy), settings.MaxCompletionLength);
        if (problems.Rows.Count == 0)
        {
            throw new MistakeException($"{data.File(parsed)} has no rows.");
        }

        TextWriter talk = parsed.InvocationConfiguration.Error;
        if (policy.Warning is { } warning)
        {
            talk.WriteLine($"warning: {warning}");
        }

        DataEvaluationResult result = DataEvaluation.Run(policy, problems, data.Reward(parsed, policy), settings, done => talk.WriteLine($"{done} of {problems.Rows.Count} problems"), stop);
        TextWriter to = parsed.InvocationConfiguration.Output;
        if (json)
        {
            var pass = new JsonObject(result.PassAtK.Select(entry => KeyValuePair.Create($"{entry.Key}", (JsonNode?)entry.Value)));
            to.WriteLine(new JsonObject
            {
                ["model"] = from,
                ["step"] = policy.Plan is null ? null : policy.Weights.Version.Steps,
                ["problems"] = result.Problems,
                ["samples"] = result.Samples,
                ["avg@n"] = result.AvgAtN,
                ["maj@n"] = result.MajAtN,
                ["pass@k"] = pass,
                ["meanReward"] = result.MeanReward,
                ["meanTokens"] = result.MeanTokens,
                ["truncated"] = result.Truncated,
            }.ToJsonString());
            return ExitCodes.Done;
        }

        to.WriteLine($"{result.Problems} problems, {result.Samples} answers each, {result.MeanTokens:0.0} tokens on average, {result.Truncated} cut off");
        to.WriteLine($"avg@{result.Samples}   {result.AvgAtN:0.0%}   mean reward {result.MeanReward:0.000}");
        if (result.Samples > 1)
        {
            to.WriteLine($"maj@{result.Samples}   {result.MajAtN:0.0%}");
        }

        foreach ((int k, double share) in result.PassAtK)
        {
            to.WriteLine($"pass@{k}  {share:0.0%}");
        }

        return ExitCodes.Done;
    }
}
