using System.CommandLine;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Runs;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Replay;
using GrpoActors.Runtime.Workers;

namespace GrpoActors.Cli.Commands;

/// <summary><c>grpo inspect</c>.</summary>
internal static class InspectCommand
{
    private const string Description = """
        Shows how a run stands, or follows one group, or one of its tokens, from its prompt to the step that trained it.

        Example:
          grpo inspect runs/arithmetic
          grpo inspect runs/arithmetic --group 1.p.42
          grpo inspect runs/arithmetic --group 1.p.42 --token 17
        """;

    public static System.CommandLine.Command Build()
    {
        var command = new System.CommandLine.Command("inspect", Description.ReplaceLineEndings("\n"));
        var folder = new Argument<string>("RUN") { Description = "A run folder." };
        var group = new Option<string?>("--group") { Description = "A group's id, as samples.jsonl and audit name it: phase, p (primary) or r (refill), ordinal.", HelpName = "ID" };
        Option<string?> journal = RunArguments.Journal();
        var token = new Option<long?>("--token") { Description = "With --group: one token, counted through the group's completions from 0; negative: from the end.", HelpName = "N" };
        command.Add(folder);
        command.Add(journal);
        command.Add(group);
        command.Add(token);
        command.SetAction(parsed =>
        {
            RecordedRun run = RecordedRun.Open(parsed.GetValue(folder)!, parsed.GetValue(journal));
            TextWriter data = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(token) is { } number)
            {
                FollowToken(run, parsed.GetValue(group) ?? throw new MistakeException("--token needs --group."), number, data);
            }
            else if (parsed.GetValue(group) is { } id)
            {
                Follow(run, id, data);
            }
            else
            {
                Summarise(run, data);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static void Summarise(RecordedRun recorded, TextWriter data)
    {
        RunState run = recorded.Events().Last().After;
        data.WriteLine($"run       {recorded.Folder}");
        data.WriteLine($"identity  {recorded.Identity}");
        data.WriteLine($"state     {(run.Ended is { } end ? $"ended at step {end.Step}: {end.Reason}" : run.PhasePlan is { } phase ? $"phase {phase.Name}, {run.Version.Steps - run.PhaseStart} of {phase.Steps} steps" : "not begun")}");
        data.WriteLine($"version   {run.Version}, policy {run.Policy}");
        data.WriteLine($"groups    {run.Counts.GroupsIssued} issued = {run.Counts.GroupsTrained} trained + {run.Counts.GroupsDropped} dropped + {run.Counts.GroupsIssued - run.Counts.GroupsTrained - run.Counts.GroupsDropped} open");
        data.WriteLine($"tokens    {run.Counts.TokensSampled} sampled, {run.Counts.TokensTrained} trained, {run.Counts.TokensDropped} dropped");
        data.WriteLine($"outcomes  {run.Counts.OutcomesByTiming} rewards out of time, {run.Counts.OutcomesFaulted} failed");
        data.WriteLine($"records   {run.Position}");
        if (recorded.FirstVersion() is > 0 and long first)
        {
            data.WriteLine($"journal   begins with step {first + 1}: what came before was compacted away");
        }

        data.WriteLine($"ledger    {run.Chain}");
        foreach (CheckpointRecord checkpoint in run.Checkpoints)
        {
            data.WriteLine($"checkpoint of step {checkpoint.Step}: weights {checkpoint.WeightsSha256}");
        }

        foreach (GroupState group in run.Groups.Values.Where(group => !group.IsClosed))
        {
            data.WriteLine($"group {group.Id}: {group.Fate}, step {group.Step + 1}, sampled by {group.Version}");
        }
    }

    private static void FollowToken(RecordedRun recorded, string group, long number, TextWriter data)
    {
        TokenTrace token = TokenTrace.Of(recorded, group, number)
            ?? throw new MistakeException($"Group {group} has no token {number} in {recorded.Folder}: it does not occur, is not sampled yet, or has fewer tokens.{Compacted(recorded)}");
        using RunSetup setup = recorded.Setup(RewardRegistry.BuiltIn);
        data.WriteLine($"token      {token.Token} \"{setup.Tokenizer.Decode([token.Token], skipSpecialTokens: false)}\", position {token.Position} of completion {token.Completion} ({token.Finish})");
        data.WriteLine($"version    {token.Version}, weights {token.Weights}");
        data.WriteLine($"generator  {token.Generator}");
        data.WriteLine($"log-prob   {token.LogProb:R}");
        data.WriteLine($"reward     {token.Reward?.ToString("R") ?? "none: unscorable"}");
        data.WriteLine($"advantage  {token.Advantage?.ToString("R") ?? "none: not trained"}");
        data.WriteLine(token switch
        {
            { TrainedIn: { } step } => $"step       {step + 1}, lag {step - token.Version.Steps}, update {token.Update}",
            { Dropped: not DropReason.None } => $"step       none: the group was dropped ({token.Dropped})",
            _ => "step       none yet",
        });
    }

    private static string Compacted(RecordedRun recorded) =>
        recorded.FirstVersion() is > 0 and long first ? $" Its journal begins with step {first + 1}; what came before was compacted away." : "";

    private static void Follow(RecordedRun recorded, string id, TextWriter data)
    {
        using RunSetup setup = recorded.Setup(RewardRegistry.BuiltIn);
        bool found = false;
        foreach (FoldedEvent e in recorded.Events())
        {
            string? line = e.Event switch
            {
                RunEvent.GroupOpened x when Is(x.Group) => $"opened for step {x.Step + 1}, to be sampled by {x.Version}: {setup.Phases[x.Group.Phase].Rows[(int)x.Row].Prompt}",
                RunEvent.CompletionsScored x when Is(x.Group) => $"sampled by {x.By.Generator} with weights {x.Weights}, scored",
                RunEvent.GroupClosed x when Is(x.Group) => x.Reason == DropReason.None ? "kept" : $"dropped: {x.Reason}",
                RunEvent.StepCommitted x when x.Inputs.Groups.Any(Is) => $"trained in step {x.Inputs.Step + 1}, which made version {x.Inputs.Step + 1}",
                RunEvent.StepCommitted x when x.Inputs.PassedOver.Any(Is) => $"passed over in step {x.Inputs.Step + 1}: too old",
                _ => null,
            };
            if (line is null)
            {
                continue;
            }

            found = true;
            data.WriteLine($"record {e.Before.Position}: {line}");
            if (e.Event is RunEvent.StepCommitted step && step.Inputs.Groups.Any(Is))
            {
                WriteRows(BatchOf.Step(e.Before, step.Inputs), setup, data);
            }
        }

        if (!found)
        {
            throw new MistakeException($"Group {id} does not occur in {recorded.Folder}; ids look like 1.p.42.{Compacted(recorded)}");
        }

        bool Is(GroupId group) => group.ToString() == id;

        void WriteRows(TrainingBatch batch, RunSetup made, TextWriter to)
        {
            foreach (TrainingRow row in batch.Rows.Where(row => Is(row.Id.Group)))
            {
                string rewards = string.Join(", ", made.Rewards.Names.Select((name, k) => $"{name} {row.RewardsByFunction[k]:0.###}"));
                to.WriteLine($"  {row.Id.Index}: {made.Rewards.Text(row.Completion)}  ({row.Completion.Tokens.Length} tokens, {row.Completion.Finish}; {rewards}; reward {row.Reward:0.###}, advantage {row.Advantage:+0.000;-0.000;0})");
            }
        }
    }
}
