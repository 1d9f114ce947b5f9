using System.Text;
using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Plans;

/// <summary>The reference of all settings, written from the same tables that run files are read by.</summary>
public static class ConfigurationPage
{
    private const string Intro = """
        # Configuration

        <!-- Written by `grpo config reference`; a test compares it. Edit RunSchema.cs instead. -->

        A run file is JSON; comments and trailing commas are allowed. Keys are TRL's, in snake case, where TRL has the setting (marked *TRL*), else
        verl's (marked *verl*) or those of transformers' TrainingArguments (marked *transformers*), else our own. What a run file leaves out is filled in, by the dialect
        where the three differ. Every value and where it comes from: `grpo config show recipes/arithmetic.json`. All mistakes at once, each with
        what to do: `grpo config check recipes/arithmetic.json`. It reads what a start reads: the run file, the model's folder (its weights for their digest), rewards, and every row of every
        data file through tokenizer and chat template; `grpo train --dry-run` checks the same. What lies in the run folder is not looked at.

        A later layer wins:

        | layer | how `steps` of the phase `grpo` is written |
        | --- | --- |
        | default | |
        | run file | `"phases": [{ "name": "grpo", "steps": 300, ... }]` |
        | environment | `GRPO__phases__grpo__steps=300` (capitals are the same) |
        | command line | `--set phases.grpo.steps=300`; some settings have options of their own, such as `--seed` |

        Phases and rewards are addressed by name. A value is JSON, or a text without quotes. `null` brings the default back (but for max_grad_norm).
        Paths in a run file are relative to its folder, paths typed elsewhere to the current folder; `~` at the beginning is the home folder.

        Settings marked *operation* may change at any start of a run. All others, and the SHA-256 of data, starting weights and tokenizer, are
        the run's identity: a run folder goes on only with the identity that it began with.

        """;

    public static string Markdown()
    {
        var page = new StringBuilder(Intro.ReplaceLineEndings("\n"));
        foreach (var (path, section) in RunSchema.Sections)
        {
            page.Append('\n').Append("## ").Append(Heading(path, section)).Append("\n\n").Append(section.Intro).Append("\n\n");
            page.Append("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
            foreach (Setting setting in section.Settings)
            {
                page.Append("| ").Append(Name(setting)).Append(" | ").Append(Cell(setting.Expected)).Append(" | ").Append(Cell(Default(setting)))
                    .Append(" | ").Append(Cell(setting.Summary)).Append(Notes(setting)).Append(" |\n");
            }
        }

        return page.ToString();
    }

    private static string Heading(string path, Section section) => path.Length == 0 ? "The run" : $"`{path}`: {section.Title}";

    private static string Name(Setting setting) => setting.Synonym is { } synonym ? $"`{setting.Key}` or `{synonym}`" : $"`{setting.Key}`";

    private static string Default(Setting setting)
    {
        if (setting.Required)
        {
            return "required";
        }

        if (setting.DefaultShown(Dialect.Trl) is not { } trl)
        {
            return setting.DefaultInWords ?? "none";
        }

        var others = new[] { Dialect.Verl, Dialect.Paper }
            .Select(dialect => (Name: dialect.ToString().ToLowerInvariant(), Value: setting.DefaultShown(dialect)))
            .Where(other => other.Value != trl);
        return string.Concat([$"`{trl}`", .. others.Select(other => $"; {other.Name} `{other.Value}`")]);
    }

    private static string Notes(Setting setting)
    {
        string[] notes =
        [
            .. setting.Origin == NameOrigin.Ours ? Array.Empty<string>() : [setting.Origin switch { NameOrigin.Trl => "*TRL*", NameOrigin.Verl => "*verl*", _ => "*transformers*" }],
            .. setting.Part == SettingPart.Identity ? Array.Empty<string>() : ["*operation*"],
        ];
        return notes.Length == 0 ? "" : $" ({string.Join(", ", notes)})";
    }

    private static string Cell(string text) => text.Replace("|", "\\|");
}
