using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using GrpoActors.Cli.Models;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo sample</c>.</summary>
internal static class SampleCommand
{
    private const string Description = """
        Lets a checkpoint or a model answer: one prompt with --prompt, else each line of stdin, as it writes. A model with a chat template remembers the conversation.

        A run's plan gives the sampling settings; options win over it. An empty line ends the conversation and begins another.

        Example:
          grpo sample runs/arithmetic --prompt "23+45=" -n 4
          grpo sample HuggingFaceTB/SmolLM2-135M-Instruct --temperature 0.7
        """;

    private const int UsualCompletionLength = 512;

    public static Command Build(Signals signals)
    {
        var command = new Command("sample", Description.ReplaceLineEndings("\n"));
        var source = new Argument<string>("RUN") { Description = "A run folder, a Hugging Face folder, or OWNER/NAME of a model that was pulled." };
        var prompt = new Option<string?>("--prompt") { Description = "One prompt, as a data row would have it.", HelpName = "TEXT" };
        var count = new Option<int>("-n", "--completions") { Description = "How many completions of --prompt.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var greedy = new Option<bool>("--greedy") { Description = "The most probable token each time." };
        var step = new Option<long?>("--step") { Description = "A checkpoint's step; the newest one by default.", HelpName = "N" };
        var seed = new Option<uint>("--seed") { Description = "Key of the random numbers.", HelpName = "N" };
        var temperature = new Option<double?>("--temperature") { Description = "By default the plan's, or 1.", HelpName = "T" };
        var topP = new Option<double?>("--top-p") { Description = "By default the plan's, or 1: off.", HelpName = "P" };
        var length = new Option<int?>("--max-completion-length") { Description = $"In tokens; by default the plan's, or {UsualCompletionLength}.", HelpName = "N" };
        var system = new Option<string?>("--system") { Description = "System message of the conversation.", HelpName = "TEXT" };
        var plain = new Option<bool>("--plain") { Description = "Take prompts as they stand, without the model's chat template." };
        command.Add(source);
        foreach (Option option in new Option[] { prompt, count, greedy, step, seed, temperature, topP, length, system, plain })
        {
            command.Add(option);
        }

        command.SetAction(parsed => RowFile.Guard(() =>
        {
            string from = parsed.GetRequiredValue(source);
            LoadedPolicy policy = LoadedPolicy.Open(from, parsed.GetValue(step));
            if (policy.Warning is { } warning)
            {
                parsed.InvocationConfiguration.Error.WriteLine($"warning: {warning}");
            }

            GroupPlan? plan = policy.Phase?.Group;
            SamplingPlan sampling = plan?.Sampling ?? new SamplingPlan(1, 0, 1, 0, 1, [], [.. policy.Spec.EosTokens]);
            sampling = sampling with { Temperature = parsed.GetValue(temperature) ?? sampling.Temperature, TopP = parsed.GetValue(topP) ?? sampling.TopP };
            if (!(sampling is { Temperature: > 0 and < double.PositiveInfinity, TopP: > 0 and <= 1 }))
            {
                throw new MistakeException($"--temperature is {sampling.Temperature} and --top-p {sampling.TopP}. Expected numbers above 0, --top-p at most 1; --greedy takes the most probable token.");
            }

            using IEngine engine = policy.OpenEngine(0);
            using ISampler sampler = engine.OpenSampler();
            sampler.Load(policy.Weights);
            var speaker = new Speaker(
                policy, sampler, sampling, parsed.GetValue(greedy), parsed.GetValue(length) ?? plan?.MaxCompletionLength ?? UsualCompletionLength,
                new SeedTree(policy.Plan?.Identity.Seed ?? 42), parsed.GetValue(seed), parsed.InvocationConfiguration.Output, signals.Stop);
            bool chats = policy.Chat is not null && !parsed.GetValue(plain);
            if (parsed.GetValue(prompt) is { } text)
            {
                speaker.Answer(Tokens(policy, text, chats && policy.Plan is null, parsed.GetValue(system)), Math.Max(1, parsed.GetValue(count)));
                return ExitCodes.Done;
            }

            Converse(policy, speaker, chats, parsed.GetValue(system), parsed.InvocationConfiguration.Error, signals.Stop);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static int[] Tokens(LoadedPolicy policy, string prompt, bool chats, string? system)
    {
        if (prompt.Length == 0)
        {
            throw new MistakeException("--prompt is empty; give it at least one character.");
        }

        return chats
            ? Rendered(policy, Conversation(system).With("user", prompt))
            : policy.Prompt(prompt, policy.Phase?.Data.Columns ?? new DataColumns()).PromptTokens;
    }

    private static void Converse(LoadedPolicy policy, Speaker speaker, bool chats, string? system, TextWriter talk, CancellationToken stop)
    {
        bool typed = !Console.IsInputRedirected;
        JsonArray messages = Conversation(system);
        while (!stop.IsCancellationRequested)
        {
            if (typed)
            {
                talk.Write("> ");
            }

            string? line = Console.In.ReadLine();
            if (line is null)
            {
                return;
            }

            if (line.Length == 0)
            {
                messages = Conversation(system);
                continue;
            }

            if (!chats)
            {
                speaker.Answer(policy.Prompt(line, policy.Phase?.Data.Columns ?? new DataColumns()).PromptTokens, 1);
                continue;
            }

            messages.With("user", line);
            messages.With("assistant", speaker.Answer(Rendered(policy, messages), 1));
        }
    }

    private static JsonArray Conversation(string? system) => system is null ? [] : new JsonArray().With("system", system);

    private static JsonArray With(this JsonArray messages, string role, string content)
    {
        messages.Add(new JsonObject { ["role"] = role, ["content"] = content });
        return messages;
    }

    private static int[] Rendered(LoadedPolicy policy, JsonArray messages)
    {
        using JsonDocument variables = JsonDocument.Parse(policy.ChatVariables);
        return policy.Tokenizer.Encode(policy.Chat!.Render(JsonSerializer.SerializeToElement(messages), variables: variables.RootElement, now: TimeProvider.System.GetLocalNow()));
    }

    /// <summary>Draws answers and writes them: one alone as it grows, several when they are whole.</summary>
    private sealed class Speaker(LoadedPolicy policy, ISampler sampler, SamplingPlan sampling, bool greedy, int lengthMax, SeedTree seeds, uint seed, TextWriter to, CancellationToken stop)
    {
        private uint _asked;

        public string Answer(int[] prompt, int count)
        {
            int room = Math.Min(lengthMax, policy.Spec.ContextLength - prompt.Length);
            if (room < 1)
            {
                throw new MistakeException($"The prompt has {prompt.Length} tokens, and the model's context of {policy.Spec.ContextLength} leaves no room for an answer.");
            }

            var asked = new SamplePrompt(prompt, seeds.Evaluation(0, uint.MaxValue - _asked++, seed), [.. Enumerable.Range(0, count)]);
            Func<IStopScanner>? stops = sampling.StopStrings.IsEmpty ? null : () => new StopStringScanner(policy.Tokenizer, sampling.StopStrings);
            if (count > 1)
            {
                foreach (Completion completion in sampler.Sample([asked], new SampleSettings(sampling, room, greedy, stops), null, stop)[0])
                {
                    to.WriteLine(Text(completion));
                }

                return "";
            }

            var writer = new WritingScanner(policy.Tokenizer, to, stops?.Invoke());
            Completion answer = sampler.Sample([asked], new SampleSettings(sampling, room, greedy, () => writer), null, stop)[0][0];
            writer.Finish();
            return Text(answer);
        }

        private string Text(Completion completion) =>
            policy.Tokenizer.Decode(completion.Finish == FinishReason.Eos ? completion.Tokens.AsSpan()[..^1] : completion.Tokens.AsSpan(), skipSpecialTokens: true);
    }
}
