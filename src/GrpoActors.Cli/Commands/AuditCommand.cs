using System.CommandLine;
using System.Text.Json.Nodes;
using GrpoActors.Audit;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo audit</c>.</summary>
internal static class AuditCommand
{
    private const string Description = """
        Proves from a run's journal alone that nothing was lost, trained twice or changed. Exit code 1 if anything is found.

        Example:
          grpo audit runs/arithmetic --json
        """;

    public static Command Build()
    {
        var command = new Command("audit", Description.ReplaceLineEndings("\n"));
        var folder = new Argument<string>("RUN") { Description = "A run folder." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object on stdout." };
        Option<string?> journal = RunArguments.Journal();
        command.Add(folder);
        command.Add(journal);
        command.Add(json);
        command.SetAction(parsed =>
        {
            AuditReport report = RecordedRun.Open(parsed.GetValue(folder)!, parsed.GetValue(journal)).Audit();
            TextWriter data = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                data.WriteLine(Json(report));
            }
            else
            {
                Write(data, report);
            }

            return report.IsClean ? ExitCodes.Done : ExitCodes.Failure;
        });
        return command;
    }

    private static void Write(TextWriter data, AuditReport report)
    {
        AuditCounts counts = report.Counts;
        data.WriteLine($"{counts.Steps} steps in {counts.Records} records; the run {(report.Ended ? "has ended" : "has not ended")}");
        data.WriteLine($"groups  {counts.GroupsIssued} issued = {counts.GroupsTrained} trained + {counts.GroupsDropped} dropped + {counts.GroupsOpen} open");
        data.WriteLine($"tokens  {counts.TokensSampled} sampled = {counts.TokensTrained} trained + {counts.TokensDropped} dropped + {counts.TokensOpen} open");
        data.WriteLine($"weights   {report.WeightsSha256?.ToString() ?? "no checkpoint yet"}");
        data.WriteLine($"optimizer {report.OptimizerSha256?.ToString() ?? "no checkpoint yet"}");
        data.WriteLine($"ledger    {report.LedgerSha256}");
        foreach (string unseen in report.Unseen)
        {
            data.WriteLine($"not seen: {unseen}");
        }

        foreach (AuditFinding finding in report.Findings)
        {
            data.WriteLine($"{finding.Kind} at record {finding.Position}: {finding.Sentence}");
        }

        data.WriteLine(report.IsClean ? "no findings" : $"{report.Findings.Length} findings");
    }

    private static string Json(AuditReport report)
    {
        AuditCounts counts = report.Counts;
        return new JsonObject
        {
            ["steps"] = counts.Steps,
            ["records"] = counts.Records,
            ["ended"] = report.Ended,
            ["groups"] = Sums(counts.GroupsIssued, counts.GroupsTrained, counts.GroupsDropped, counts.GroupsOpen, "issued"),
            ["tokens"] = Sums(counts.TokensSampled, counts.TokensTrained, counts.TokensDropped, counts.TokensOpen, "sampled"),
            ["outcomesByTiming"] = counts.OutcomesByTiming,
            ["outcomesFaulted"] = counts.OutcomesFaulted,
            ["weightsSha256"] = report.WeightsSha256?.ToString(),
            ["optimizerSha256"] = report.OptimizerSha256?.ToString(),
            ["ledgerSha256"] = report.LedgerSha256.ToString(),
            ["findings"] = new JsonArray([.. report.Findings.Select(finding => new JsonObject
            {
                ["kind"] = finding.Kind,
                ["subject"] = finding.Subject,
                ["position"] = finding.Position,
                ["sentence"] = finding.Sentence,
            })]),
            ["unseen"] = new JsonArray([.. report.Unseen.Select(unseen => JsonValue.Create(unseen))]),
        }.ToJsonString();
    }

    private static JsonObject Sums(long all, long trained, long dropped, long open, string name) =>
        new() { [name] = all, ["trained"] = trained, ["dropped"] = dropped, ["open"] = open };
}
