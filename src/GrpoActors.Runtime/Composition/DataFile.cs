using System.Collections.Immutable;
using System.Security.Cryptography;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Runtime.Composition;

/// <summary>A jsonl file of prompts, conversations or worked examples.</summary>
internal static class DataFile
{
    private const int RowErrorsMax = 5;

    // Where a prompt ends within a word, most rows do: the first ones tell.
    private const int CrossingRowsMax = 100;

    /// <summary>Rows and hash of a file, or what is wrong with it. Rows are encoded only where their number depends on it.</summary>
    /// <param name="encoder">Null where the model could not be had.</param>
    public static Finding<DataFacts> Facts(DataOptions data, RowEncoder? encoder)
    {
        try
        {
            long rows = data.Overlong == OverlongPrompts.Filter && encoder is not null
                ? Rows(data.Path, data.Use, data.Columns).LongCount(row => encoder.Encode(row, data.Columns, data.Use).PromptTokens.Length <= data.MaxPromptLength)
                : Rows(data.Path, data.Use, data.Columns).LongCount();
            return rows == 0
                ? new ConfigError("", $"is \"{data.Path}\", which has no rows{(data.Overlong == OverlongPrompts.Filter ? $" of at most {data.MaxPromptLength} tokens" : "")}.", "Name a jsonl file with one object a line.")
                : new DataFacts(rows, Hash(data.Path));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return new ConfigError("", $"is \"{data.Path}\", which cannot be read: {unreadable.Message}", "Name an existing jsonl file; paths are relative to the run file.");
        }
        catch (JsonlFormatException wrong)
        {
            return new ConfigError("", $"has a row that cannot be used: {wrong.Message}", "Mend or remove the row.");
        }
        catch (RowException wrong)
        {
            return new ConfigError("", $"is \"{data.Path}\", of which a row {wrong.Message}.", "Mend or remove the row.");
        }
    }

    /// <summary>A warning, where a token reaches from the prompt into the completion in one of the first worked examples.</summary>
    public static ImmutableArray<string> CrossingTokens(DataOptions data, RowEncoder encoder)
    {
        if (data.Use != DataUse.Examples)
        {
            return [];
        }

        JsonlRow[] first = [.. Rows(data.Path, data.Use, data.Columns).Take(CrossingRowsMax)];
        JsonlRow[] crossing = [.. first.Where(row => encoder.Crosses(row, data.Columns))];
        return crossing.Length == 0
            ? []
            :
            [
                $"in {crossing.Length} of the first {first.Length} rows, such as line {crossing[0].Line}, one token reaches from the prompt into the completion; "
                + "it is counted to the completion. Let prompts end where a token does, such as before a blank.",
            ];
    }

    /// <summary>The rows with their tokens.</summary>
    /// <param name="context">Most tokens that a prompt and what follows it may have together.</param>
    /// <param name="reserve">Tokens that follow a prompt: max_completion_length; 0 for worked examples, which bring their own.</param>
    /// <exception cref="ConfigException">A row is too long or cannot be encoded; names its line.</exception>
    public static PromptTable Read(DataPlan data, DataUse use, RowEncoder encoder, int context, int reserve, string key)
    {
        var rows = new List<PromptRow>();
        var errors = new List<ConfigError>();
        foreach (JsonlRow row in Rows(data.Path, use, data.Columns))
        {
            string where = $"{Path.GetFileName(data.Path)}, line {row.Line}";
            try
            {
                if (Fitted(encoder.Encode(row, data.Columns, use), data) is { } encoded)
                {
                    rows.Add(encoded);
                    Check(encoded, where);
                }
            }
            catch (RowException wrong)
            {
                errors.Add(new(key, $"has a row that cannot be used: {where} {wrong.Message}.", "Mend or remove the row."));
            }

            if (errors.Count >= RowErrorsMax)
            {
                break;
            }
        }

        return errors.Count == 0 ? new PromptTable(rows) : throw new ConfigException([.. errors]);

        void Check(PromptRow row, string where)
        {
            int prompt = row.PromptTokens.Length, total = prompt + Math.Max(reserve, row.CompletionTokens.Length);
            if (prompt > data.MaxPromptLength)
            {
                errors.Add(new(key, $"has a prompt of {prompt} tokens in {where}; max_prompt_length is {data.MaxPromptLength}.", "Raise max_prompt_length, shorten the row, or set overlong_prompts to filter or truncate."));
            }
            else if (total > context)
            {
                errors.Add(new(key, $"needs {total} tokens for {where}, with its answer; the model's context is {context}.", "Lower max_completion_length or shorten the row."));
            }
        }
    }

    private static PromptRow? Fitted(PromptRow row, DataPlan data) => data.Overlong switch
    {
        OverlongPrompts.Filter when row.PromptTokens.Length > data.MaxPromptLength => null,
        OverlongPrompts.Truncate when row.PromptTokens.Length > data.MaxPromptLength => row with { PromptTokens = row.PromptTokens[^data.MaxPromptLength..] },
        _ => row,
    };

    private static IEnumerable<JsonlRow> Rows(string path, DataUse use, DataColumns columns) =>
        JsonlReader.Read(path, new JsonlColumns(Prompt: columns.Prompt, Answer: columns.Answer, CompletionNeeded: use == DataUse.Examples));

    private static Digest Hash(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Digest.FromBytes(SHA256.HashData(file));
    }
}
