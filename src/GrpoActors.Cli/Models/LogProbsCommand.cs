using System.CommandLine;
using System.Text.Json;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Formats.Jsonl;
using GrpoActors.Hub;
using GrpoActors.Text;
using GrpoActors.Text.Templates;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo logprobs</c>.</summary>
internal static class LogProbsCommand
{
    private const string Description = """
        Writes log-probs and entropies (in nats) of the completion tokens, one JSON object a row: logProbs and entropies.

        A row has promptIds and completionIds; or the texts prompt and completion, or messages and completion: then their ids are written too.
        Texts are encoded as the one text that they make; a token that reaches from the prompt into the completion is the completion's.

        Example:
          grpo logprobs HuggingFaceTB/SmolLM2-135M-Instruct rows.jsonl
        """;

    private const int TokensAtOnce = 4096;

    public static Command Build()
    {
        var command = new Command("logprobs", Description.ReplaceLineEndings("\n"));
        var model = new Argument<string>("MODEL") { Description = "A Hugging Face folder, or OWNER/NAME of a model that was pulled." };
        var rows = new RowFile();
        var temperature = new Option<double>("--temperature") { Description = "Divides the logits.", HelpName = "T", DefaultValueFactory = _ => 1 };
        var threads = new Option<int>("--threads") { Description = "0: one for each core. Changes speed, never the result.", HelpName = "N" };
        command.Add(model);
        command.Add(rows.Argument);
        command.Add(temperature);
        command.Add(threads);
        command.SetAction(parsed => RowFile.Guard(() =>
        {
            if (!(parsed.GetValue(temperature) is > 0 and < double.PositiveInfinity))
            {
                throw new MistakeException($"--temperature {parsed.GetValue(temperature)} is no temperature. Write a number above 0.");
            }

            using PretrainedModel policy = PretrainedModel.Open(parsed.GetRequiredValue(model));
            int workers = parsed.GetValue(threads) > 0 ? parsed.GetValue(threads) : Environment.ProcessorCount;
            using IEngine engine = EngineProviders.Open(RunIdentity.DefaultEngine, policy.Spec, new EngineOptions(workers, TokensAtOnce));
            var scorer = new Lazy<ITrainer>(() => engine.OpenTrainer(policy.Weights)); // a row that cannot be read is told before weights are
            try
            {
                Run(rows.Rows(parsed), policy, scorer, parsed.GetValue(temperature), parsed.InvocationConfiguration);
            }
            finally
            {
                if (scorer.IsValueCreated)
                {
                    scorer.Value.Dispose();
                }
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static void Run(IEnumerable<Row> rows, PretrainedModel policy, Lazy<ITrainer> scorer, double temperature, InvocationConfiguration streams)
    {
        TextWriter to = streams.Output;
        var waiting = new List<ScoredRow>();
        bool told = false;
        try
        {
            foreach (Row row in rows)
            {
                ScoredRow next = Read(row, policy);
                if (next.Crosses && !told)
                {
                    streams.Error.WriteLine(
                        $"warning: {row.File}, line {row.Line}: one token reaches from the prompt into the completion; "
                        + "it is counted to the completion, here and in any further row.");
                    told = true;
                }

                if (waiting.Count > 0 && waiting.Sum(scored => scored.Length) + next.Length > TokensAtOnce)
                {
                    Score(waiting, scorer, temperature, to);
                }

                waiting.Add(next);
            }
        }
        catch (JsonlFormatException)
        {
            Score(waiting, scorer, temperature, to); // the rows before the wrong one are good
            throw;
        }

        Score(waiting, scorer, temperature, to);
    }

    private static ScoredRow Read(Row row, PretrainedModel policy)
    {
        int[]? prompt = row.Ids("promptIds", policy.Spec.VocabularySize), completion = row.Ids("completionIds", policy.Spec.VocabularySize);
        bool texts = prompt is null && completion is null, crosses = false;
        if (texts)
        {
            (prompt, completion, crosses) = Texts(row, policy);
        }

        if (prompt is null || completion is null)
        {
            throw row.Wrong($"'{(prompt is null ? "promptIds" : "completionIds")}' is missing");
        }

        if (prompt.Length == 0)
        {
            throw row.Wrong("the prompt is empty: the first token's probability depends on nothing");
        }

        return prompt.Length + completion.Length <= policy.Spec.ContextLength
            ? new ScoredRow(prompt, completion, texts, crosses)
            : throw row.Wrong($"has {prompt.Length + completion.Length} tokens; the model's context is {policy.Spec.ContextLength}");
    }

    private static EncodedPair Texts(Row row, PretrainedModel policy)
    {
        string completion = row.Text("completion") ?? throw row.Wrong("expected promptIds and completionIds, or prompt (or messages) and completion");
        try
        {
            EncodedPair pair;
            if (row.Messages() is { } messages)
            {
                TemplateColumns own = row.Template();
                string rendered = (policy.Chat ?? throw row.Wrong("has messages, and the model has no chat template"))
                    .RenderPrompt(messages, own.Tools, own.Variables, TimeProvider.System.GetLocalNow());
                pair = EncodedPair.Of(policy.Tokenizer, rendered, completion, addSpecialTokens: false);
            }
            else
            {
                string prompt = row.Text("prompt") ?? throw row.Wrong("expected 'prompt' or 'messages' beside 'completion', found neither");
                pair = EncodedPair.Of(policy.Tokenizer, prompt, completion, addSpecialTokens: true);
            }

            return pair is { Crosses: true, Prompt.Length: 0 }
                ? throw row.Wrong("one token makes up the prompt and the beginning of the completion; end the prompt at the end of a word")
                : pair;
        }
        catch (Exception refused) when (refused is TemplateException or UnknownCharacterException or InvalidDataException)
        {
            throw row.Wrong(refused.Message);
        }
    }

    private static void Score(List<ScoredRow> rows, Lazy<ITrainer> scorer, double temperature, TextWriter to)
    {
        ScoredRow[] scored = [.. rows.Where(row => row.Completion.Length > 0)];
        int[] offsets = new int[scored.Length + 1];
        for (int i = 0; i < scored.Length; i++)
        {
            offsets[i + 1] = offsets[i] + scored[i].Length;
        }

        var batch = new PackedBatch([.. scored.SelectMany(row => row.Prompt.Concat(row.Completion))], offsets, [.. scored.Select(row => row.Prompt.Length)]);
        var scores = new TokenScores(new float[batch.Targets], new float[batch.Targets]);
        if (scored.Length > 0)
        {
            scorer.Value.Forward(batch, temperature, keepForBackward: false, scores);
        }

        int at = 0;
        foreach (ScoredRow row in rows)
        {
            int first = at;
            at += row.Completion.Length;
            RowFile.Write(to, json =>
            {
                if (row.FromTexts)
                {
                    Write(json, "promptIds", row.Prompt);
                    Write(json, "completionIds", row.Completion);
                }

                Write(json, "logProbs", scores.LogProbs.AsSpan(first, row.Completion.Length));
                Write(json, "entropies", scores.Entropies.AsSpan(first, row.Completion.Length));
            });
        }

        rows.Clear();
    }

    private static void Write(Utf8JsonWriter json, string name, ReadOnlySpan<int> ids)
    {
        json.WriteStartArray(name);
        foreach (int id in ids)
        {
            json.WriteNumberValue(id);
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, string name, ReadOnlySpan<float> values)
    {
        json.WriteStartArray(name);
        foreach (float value in values)
        {
            json.WriteNumberValue(value); // throws for NaN and infinity: a fault is no number
        }

        json.WriteEndArray();
    }

    private sealed record ScoredRow(int[] Prompt, int[] Completion, bool FromTexts, bool Crosses)
    {
        public int Length => Prompt.Length + Completion.Length;
    }
}
