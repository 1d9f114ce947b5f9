using System.Collections.Immutable;
using System.Security.Cryptography;
using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.DataFiles;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Jsonl;

namespace GrpoActors.Runtime.Composition;

/// <summary>A data file of prompts, conversations or worked examples.</summary>
internal static class DataFile
{
    private const int RowErrorsMax = 5;

    // Where a prompt ends within a word, most rows do: the first ones tell.
    private const int CrossingRowsMax = 100;

    /// <summary>Rows and hash of a file, or what is wrong with it.</summary>
    /// <param name="encoder">Encodes the rows as the run will, so that all that <see cref="Read"/> would refuse is found. Null: they are only parsed and counted.</param>
    /// <param name="context">Most tokens that a worked example may have.</param>
    public static Finding<DataFacts> Facts(DataOptions data, RowEncoder? encoder, int context)
    {
        var errors = new List<ConfigError>();
        try
        {
            long rows = 0, answers = 0;
            foreach (string? answer in encoder is null ? Rows(data).Select(row => row.Answer) : Encoded(data, encoder, context, reserve: 0, key: "", errors).Select(row => row.Answer))
            {
                rows++;
                answers += answer is null ? 0 : 1;
            }

            if (errors.Count == 0)
            {
                return rows == 0
                    ? new ConfigError("", $"is \"{data.Path}\", which has no rows{(data.Overlong == OverlongPrompts.Filter ? $" of at most {data.MaxPromptLength} tokens" : "")}.", "Name a file with rows, such as a jsonl file with one object a line.")
                    : new DataFacts(rows, Hash(data.Path), data.Use == DataUse.Prompts ? answers : null);
            }
        }
        catch (Exception unreadable) when (DiskFailure.Is(unreadable))
        {
            errors.Add(new("", $"is \"{data.Path}\", which cannot be read: {DiskFailure.Reason(unreadable)}.", "Name an existing data file; paths are relative to the run file."));
        }
        catch (DataFileException unusable)
        {
            errors.Add(new("", $"is \"{data.Path}\", which {unusable.Problem}.", ""));
        }
        catch (JsonlFormatException wrong)
        {
            errors.Add(new("", $"has a row that cannot be used: {wrong.Message}", "Mend or remove the row."));
        }

        return new Finding<DataFacts>(null, [.. errors]);
    }

    /// <summary>A warning, where a token reaches from the prompt into the completion in one of the first worked examples.</summary>
    public static ImmutableArray<string> CrossingTokens(DataOptions data, RowEncoder encoder)
    {
        if (data.Use != DataUse.Examples)
        {
            return [];
        }

        JsonlRow[] first = [.. Rows(data).Take(CrossingRowsMax)];
        JsonlRow[] crossing = [.. first.Where(row => encoder.Crosses(row, data.Columns))];
        return crossing.Length == 0
            ? []
            :
            [
                $"in {crossing.Length} of the first {first.Length} rows, such as {JsonlRow.PlaceOf(data.Path)} {crossing[0].Line}, one token reaches from the prompt into the completion; "
                + "it is counted to the completion. Let prompts end where a token does, such as before a blank.",
            ];
    }

    /// <summary>The rows with their tokens.</summary>
    /// <param name="context">Most tokens that a prompt and what follows it may have together.</param>
    /// <param name="reserve">Tokens that follow a prompt: max_completion_length; 0 for worked examples, which bring their own.</param>
    /// <exception cref="ConfigException">A row is too long or cannot be encoded; names its line.</exception>
    public static PromptTable Read(DataPlan data, DataUse use, RowEncoder encoder, int context, int reserve, string key)
    {
        var errors = new List<ConfigError>();
        PromptRow[] rows = [.. Encoded(new DataOptions(data.Path, use, data.Columns, data.MaxPromptLength, data.Overlong), encoder, context, reserve, key, errors)];
        return errors.Count == 0 ? new PromptTable(rows) : throw new ConfigException([.. errors]);
    }

    /// <summary>The rows that remain, with their tokens, until some are wrong.</summary>
    /// <param name="errors">Given what is wrong with a row, under <paramref name="key"/>.</param>
    private static IEnumerable<PromptRow> Encoded(DataOptions data, RowEncoder encoder, int context, int reserve, string key, List<ConfigError> errors)
    {
        foreach (JsonlRow row in Rows(data))
        {
            string where = $"{Path.GetFileName(data.Path)}, {JsonlRow.PlaceOf(data.Path)} {row.Line}";
            PromptRow? encoded = null;
            try
            {
                encoded = Fitted(encoder.Encode(row, data.Columns, data.Use), data);
            }
            catch (RowException wrong)
            {
                errors.Add(new(key, $"has a row that cannot be used: {where} {wrong.Message}.", "Mend or remove the row."));
            }

            if (encoded is not null)
            {
                Check(encoded, where);
                yield return encoded;
            }

            if (errors.Count >= RowErrorsMax)
            {
                yield break;
            }
        }

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

    private static PromptRow? Fitted(PromptRow row, DataOptions data) => data.Overlong switch
    {
        OverlongPrompts.Filter when row.PromptTokens.Length > data.MaxPromptLength => null,
        OverlongPrompts.Truncate when row.PromptTokens.Length > data.MaxPromptLength => row with { PromptTokens = row.PromptTokens[^data.MaxPromptLength..] },
        _ => row,
    };

    private static IEnumerable<JsonlRow> Rows(DataOptions data) =>
        DataFileReader.Read(data.Path, new JsonlColumns(Prompt: data.Columns.Prompt, Answer: data.Columns.Answer, CompletionNeeded: data.Use == DataUse.Examples));

    private static Digest Hash(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Digest.FromBytes(SHA256.HashData(file));
    }
}
