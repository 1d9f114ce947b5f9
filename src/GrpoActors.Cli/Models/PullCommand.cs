using System.CommandLine;
using GrpoActors.Hub;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo pull</c>.</summary>
internal static class PullCommand
{
    private const string Description = """
        Fetches a model from the Hub into its usual cache and prints the folder. A pull that was cut goes on where it ended.

        HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_CACHE are heeded. A run file's model.path may then name the model as OWNER/NAME.

        Example:
          grpo pull HuggingFaceTB/SmolLM2-135M-Instruct
        """;

    public static Command Build(Signals signals)
    {
        var command = new Command("pull", Description.ReplaceLineEndings("\n"));
        var model = new Argument<string>("MODEL") { Description = "OWNER/NAME, or OWNER/NAME@REVISION." };
        var cache = new Option<string?>("--cache-dir") { Description = "Another cache than the usual one.", HelpName = "DIR" };
        command.Add(model);
        command.Add(cache);
        command.SetAction(async parsed =>
        {
            TextWriter talk = parsed.InvocationConfiguration.Error;
            try
            {
                HubModel wanted = HubModel.Parse(parsed.GetRequiredValue(model));
                using var hub = new HubClient(Variable("HF_ENDPOINT") ?? HubClient.DefaultEndpoint, Variable("HF_TOKEN"));
                var folder = new HubCache(parsed.GetValue(cache) ?? HubCache.DefaultFolder());
                var pull = new HubPull(hub, folder, HubPull.UsualRetries, TimeProvider.System, progress => talk.WriteLine(Line(progress)));
                parsed.InvocationConfiguration.Output.WriteLine(await pull.Pull(wanted, signals.Stop));
                return ExitCodes.Done;
            }
            catch (HubException mistake) when (mistake.IsMistake)
            {
                throw new MistakeException(mistake.Message);
            }
        });
        return command;
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string Line(PullProgress progress) => progress.Bytes == progress.SizeBytes
        ? $"{progress.File}  {progress.SizeBytes / 1e6:0.0} MB"
        : $"{progress.File}  {progress.Bytes / 1e6:0.0} of {progress.SizeBytes / 1e6:0.0} MB";
}
