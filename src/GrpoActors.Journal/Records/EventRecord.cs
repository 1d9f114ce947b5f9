using System.Collections.Immutable;
using System.Runtime.InteropServices;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Journal.Records;

/// <summary>The bytes of an event. <c>README.md</c> beside this file states the layout; bytes of every released version stay in the tests and replay.</summary>
/// <remarks>One event has one encoding, and only that one is accepted: <c>Encode(Decode(bytes))</c> gives <c>bytes</c>.</remarks>
public static class EventRecord
{
    /// <summary>The newest layout. Raised whenever it changes; older versions stay readable, and an event is written in the oldest version that can say it.</summary>
    /// <remarks>Version 2: coefficients go with the entropy of the step before, which an adaptive entropy bonus needs. Version 3: a folded state goes with what each reward scored, abstained from and failed on.</remarks>
    public const byte Version = 4;

    /// <summary>Second byte of a record. Numbers are never used again for something else.</summary>
    private enum Kind : byte
    {
        RunStarted = 1,
        PhaseStarted = 2,
        GroupOpened = 3,
        CompletionsScored = 4,
        GroupClosed = 5,
        StepCommitted = 6,
        Evaluated = 7,
        CheckpointWritten = 8,
        RolledBack = 9,
        Rebased = 10,
        RunEnded = 12,
        CheckpointsRetired = 13,
        Compacted = 14,
        TrainingStopped = 15,
    }

    /// <exception cref="ArgumentException">A completion's tokens and log-probs differ in number.</exception>
    public static byte[] Encode(RunEvent runEvent)
    {
        var to = new RecordWriter();
        byte version = VersionOf(runEvent);
        to.Byte(version);
        switch (runEvent)
        {
            case RunEvent.RunStarted e:
                Begin(to, Kind.RunStarted);
                to.Digest(e.Identity);
                to.Digest(e.Policy);
                to.Text(e.NumericsRevision);
                break;
            case RunEvent.PhaseStarted e:
                Begin(to, Kind.PhaseStarted);
                to.Int32(e.Phase);
                to.Text(e.Name);
                to.Int64(e.Version.Steps);
                to.Digest(e.Policy);
                to.Flag(e.Reference is not null);
                if (e.Reference is { } reference)
                {
                    to.Digest(reference);
                }

                to.Flag(e.OptimizerReset);
                break;
            case RunEvent.GroupOpened e:
                Begin(to, Kind.GroupOpened);
                Write(to, e.Group);
                to.Int64(e.Row);
                to.Int64(e.Version.Steps);
                to.Int64(e.Step);
                to.Int32(e.Round);
                break;
            case RunEvent.CompletionsScored e:
                Begin(to, Kind.CompletionsScored);
                Write(to, e.Group);
                to.Int64(e.Version.Steps);
                to.Digest(e.Weights);
                to.Array(e.Completions, Write);
                to.Text(e.By.Generator);
                to.Duration(e.By.Sampling);
                to.Duration(e.By.Scoring);
                break;
            case RunEvent.GroupClosed e:
                Begin(to, Kind.GroupClosed);
                Write(to, e.Group);
                to.Byte((byte)e.Reason);
                break;
            case RunEvent.StepCommitted e:
                Begin(to, Kind.StepCommitted);
                Write(to, e.Inputs, version);
                Write(to, e.Outputs, version);
                to.Digest(e.Chain);
                to.Duration(e.Timings.Training);
                to.Duration(e.Timings.Waiting);
                break;
            case RunEvent.Evaluated e:
                Begin(to, Kind.Evaluated);
                to.Int64(e.Version.Steps);
                Write(to, e.Evaluation);
                break;
            case RunEvent.CheckpointWritten e:
                Begin(to, Kind.CheckpointWritten);
                to.Int64(e.Step);
                to.Text(e.Folder);
                to.Digest(e.Manifest);
                to.Digest(e.WeightsSha256);
                to.Digest(e.OptimizerSha256);
                to.Int64(e.Position);
                break;
            case RunEvent.RolledBack e:
                Begin(to, Kind.RolledBack);
                to.Int64(e.Step);
                to.Int64(e.To);
                to.Text(e.Reason);
                to.Double(e.LearningRateScale);
                to.Int64(e.Cursor);
                to.Digest(e.Policy);
                Write(to, e.Adaptive, version);
                to.Digest(e.Chain);
                break;
            case RunEvent.Rebased e:
                Begin(to, Kind.Rebased);
                to.Int64(e.Step);
                to.Digest(e.Update);
                to.Digest(e.Policy);
                break;
            case RunEvent.CheckpointsRetired e:
                Begin(to, Kind.CheckpointsRetired);
                to.Array(e.Steps, static (to, step) => to.Int64(step));
                break;
            case RunEvent.Compacted e:
                Begin(to, Kind.Compacted);
                to.Int64(e.Before);
                StateRecord.Write(to, e.Folded, version);
                break;
            case RunEvent.TrainingStopped e:
                Begin(to, Kind.TrainingStopped);
                Write(to, e);
                break;
            case RunEvent.RunEnded e:
                Begin(to, Kind.RunEnded);
                to.Int64(e.Step);
                to.Byte((byte)e.Reason);
                break;
            default:
                throw new InvalidOperationException($"The event {runEvent.GetType().Name} has no journal layout.");
        }

        return to.ToArray();
    }

    /// <exception cref="JournalFormatException">Anything but one whole record of a known version.</exception>
    public static RunEvent Decode(ReadOnlySpan<byte> record)
    {
        var from = new RecordReader(record);
        byte version = from.Byte("version");
        if (version is 0 or > Version)
        {
            throw new JournalFormatException($"A journal record has version {version}, and this program reads versions 1 to {Version}: use the program that wrote the journal, or a newer one.");
        }

        var kind = (Kind)from.Byte("kind");
        RunEvent read = kind switch
        {
            Kind.RunStarted => new RunEvent.RunStarted(from.Digest("identity"), from.Digest("policy"), from.Text("numerics revision")),
            Kind.PhaseStarted => new RunEvent.PhaseStarted(
                from.Int32("phase"), from.Text("name"), Policy(ref from), from.Digest("policy"),
                from.Flag("has reference") ? from.Digest("reference") : null, from.Flag("optimizer reset")),
            Kind.GroupOpened => new RunEvent.GroupOpened(Group(ref from), from.Int64("row"), Policy(ref from), from.Int64("step"), from.Int32("round")),
            Kind.CompletionsScored => new RunEvent.CompletionsScored(
                Group(ref from), Policy(ref from), from.Digest("weights"), from.Array("completions", ScoredBytesMin, Scored),
                new Provenance(from.Text("generator"), from.Duration("sampling"), from.Duration("scoring"))),
            Kind.GroupClosed => new RunEvent.GroupClosed(Group(ref from), (DropReason)from.Case((byte)DropReason.RunEnded, "reason")),
            Kind.StepCommitted => new RunEvent.StepCommitted(
                Inputs(ref from, version), Outputs(ref from, version), from.Digest("chain"), new StepTimings(from.Duration("training"), from.Duration("waiting"))),
            Kind.Evaluated => new RunEvent.Evaluated(Policy(ref from), Evaluation(ref from)),
            Kind.CheckpointWritten => new RunEvent.CheckpointWritten(
                from.Int64("step"), from.Text("folder"), from.Digest("manifest"), from.Digest("weights"), from.Digest("optimizer"), from.Int64("position")),
            Kind.RolledBack => new RunEvent.RolledBack(
                from.Int64("step"), from.Int64("to"), from.Text("reason"), from.Double("learning rate scale"), from.Int64("cursor"), from.Digest("policy"),
                Adaptive(ref from, version), from.Digest("chain")),
            Kind.Rebased => new RunEvent.Rebased(from.Int64("step"), from.Digest("update"), from.Digest("policy")),
            Kind.RunEnded => new RunEvent.RunEnded(from.Int64("step"), End(ref from)),
            Kind.CheckpointsRetired => new RunEvent.CheckpointsRetired(from.Array("steps", sizeof(long), static (ref from) => from.Int64("step"))),
            Kind.Compacted => new RunEvent.Compacted(from.Int64("before"), StateRecord.Read(ref from, version)),
            Kind.TrainingStopped => Stopped(ref from),
            _ => throw new JournalFormatException($"A journal record has kind {(byte)kind}, and this program knows the kinds 1 to {(byte)Kind.TrainingStopped} without 11."),
        };
        from.End();
        return VersionOf(read) == version
            ? read
            : throw new JournalFormatException($"A journal record of kind {kind} has version {version}, and what it says is written in version {VersionOf(read)}.");
    }

    private static byte VersionOf(RunEvent runEvent) => runEvent switch
    {
        RunEvent.StepCommitted { Inputs.Adaptive.LastEntropy: null, Outputs.Next.LastEntropy: null } => 1,
        RunEvent.StepCommitted => 2,
        RunEvent.Compacted { Folded.Balance.IsEmpty: false } => 4,
        RunEvent.RolledBack { Adaptive.LastEntropy: not null } or RunEvent.Compacted { Folded.Progress.Rewards.IsEmpty: true } => 2,
        RunEvent.Compacted => 3,
        _ => 1,
    };

    private static void Begin(RecordWriter to, Kind kind) => to.Byte((byte)kind);

    private static RunEnd End(ref RecordReader from) => (RunEnd)from.Case((byte)RunEnd.TooManyRollbacks, "reason");

    internal static void Write(RecordWriter to, RunEvent.TrainingStopped stopped)
    {
        to.Int64(stopped.Step);
        to.Byte((byte)stopped.End);
        to.Text(stopped.Reason);
    }

    internal static RunEvent.TrainingStopped Stopped(ref RecordReader from) => new(from.Int64("step"), End(ref from), from.Text("reason"));

    // Group: phase i32, stream u8, ordinal i64.
    internal const int GroupBytes = 13;

    internal static void Write(RecordWriter to, GroupId group)
    {
        to.Int32(group.Phase);
        to.Byte((byte)group.Stream);
        to.Int64(group.Ordinal);
    }

    internal static GroupId Group(ref RecordReader from) =>
        new(from.Int32("group.phase"), (GroupStream)from.Case((byte)GroupStream.Refill, "group.stream"), from.Int64("group.ordinal"));

    internal static PolicyVersion Policy(ref RecordReader from) => new(from.Int64("version"));

    // Without tokens and outcomes: index, count, finish, kept mass; count of outcomes.
    internal const int CompletionBytesMin = 4 + 4 + 1 + 4, ScoredBytesMin = CompletionBytesMin + 4;

    internal static void Write(RecordWriter to, ScoredCompletion scored)
    {
        Write(to, scored.Completion);
        to.Array(scored.Outcomes, Write);
    }

    internal static ScoredCompletion Scored(ref RecordReader from) => new(Completion(ref from), from.Array("outcomes", 1, Outcome));

    /// <summary><c>index i32 | T i32 | tokens i32[T] | log-probs f32[T] | finish u8 | kept mass f32</c></summary>
    internal static void Write(RecordWriter to, Completion completion)
    {
        if (completion.Tokens.Length != completion.LogProbs.Length)
        {
            throw new ArgumentException($"Completion {completion.Index} has {completion.Tokens.Length} tokens and {completion.LogProbs.Length} log-probs.", nameof(completion));
        }

        to.Int32(completion.Index);
        to.Int32(completion.Tokens.Length);
        foreach (int token in completion.Tokens)
        {
            to.Int32(token);
        }

        foreach (float logProb in completion.LogProbs)
        {
            to.Single(logProb);
        }

        to.Byte((byte)completion.Finish);
        to.Single(completion.KeptMass);
    }

    internal static Completion Completion(ref RecordReader from)
    {
        int index = from.Int32("completion.index");
        int length = from.Count("completion.tokens", sizeof(int) + sizeof(float));
        var tokens = new int[length];
        foreach (ref int token in tokens.AsSpan())
        {
            token = from.Int32("token");
        }

        var logProbs = new float[length];
        foreach (ref float logProb in logProbs.AsSpan())
        {
            logProb = from.Single("log-prob");
        }

        var finish = (FinishReason)from.Case((byte)FinishReason.Length, "completion.finish");
        return new Completion(index, ImmutableCollectionsMarshal.AsImmutableArray(tokens), ImmutableCollectionsMarshal.AsImmutableArray(logProbs), finish, from.Single("completion.kept mass"));
    }

    internal static void Write(RecordWriter to, ScoreOutcome outcome)
    {
        switch (outcome)
        {
            case ScoreOutcome.Scored scored:
                to.Byte(0);
                to.Single(scored.Reward);
                break;
            case ScoreOutcome.Abstained:
                to.Byte(1);
                break;
            case ScoreOutcome.TimedOut timedOut:
                to.Byte(2);
                to.Duration(timedOut.Budget);
                break;
            case ScoreOutcome.Faulted faulted:
                to.Byte(3);
                to.Text(faulted.Reason);
                break;
            default:
                throw new InvalidOperationException($"The outcome {outcome.GetType().Name} has no journal layout.");
        }
    }

    internal static ScoreOutcome Outcome(ref RecordReader from) => from.Case(3, "outcome") switch
    {
        0 => new ScoreOutcome.Scored(from.Single("outcome.reward")),
        1 => ScoreOutcome.NotApplicable,
        2 => new ScoreOutcome.TimedOut(from.Duration("outcome.budget")),
        _ => new ScoreOutcome.Faulted(from.Text("outcome.reason")),
    };

    private static void Write(RecordWriter to, StepInputs inputs, byte version)
    {
        to.Int64(inputs.Step);
        to.Int32(inputs.Phase);
        to.Byte((byte)inputs.Kind);
        to.Array(inputs.Groups, Write);
        to.Int64(inputs.FirstExample);
        to.Int32(inputs.Examples);
        to.Array(inputs.PassedOver, Write);
        to.Int64(inputs.PrimaryCursor);
        to.Int64(inputs.RefillCursor);
        to.Double(inputs.LearningRate);
        Write(to, inputs.Adaptive, version);
        to.Flag(inputs.ReferenceVersion is not null);
        if (inputs.ReferenceVersion is { } reference)
        {
            to.Int64(reference.Steps);
        }
    }

    private static StepInputs Inputs(ref RecordReader from, byte version) => new(
        from.Int64("step"), from.Int32("phase"), (PhaseKind)from.Case((byte)PhaseKind.Grpo, "phase kind"),
        from.Array("groups", GroupBytes, Group), from.Int64("first example"), from.Int32("examples"), from.Array("passed over", GroupBytes, Group),
        from.Int64("primary cursor"), from.Int64("refill cursor"), from.Double("learning rate"), Adaptive(ref from, version),
        from.Flag("has reference version") ? Policy(ref from) : null);

    internal static void Write(RecordWriter to, StepOutputs outputs, byte version)
    {
        to.Flag(outputs.Empty);
        to.Digest(outputs.Batch);
        to.Digest(outputs.Update);
        to.Digest(outputs.Policy);
        to.Array(outputs.Metrics, static (to, metric) =>
        {
            to.Text(metric.Name);
            to.Double(metric.Value);
        });
        Write(to, outputs.Next, version);
    }

    internal static StepOutputs Outputs(ref RecordReader from, byte version) => new(
        from.Flag("empty"), from.Digest("batch"), from.Digest("update"), from.Digest("policy"),
        from.Array("metrics", sizeof(int) + sizeof(double), static (ref from) => new Metric(from.Text("metric.name"), from.Double("metric.value"))),
        Adaptive(ref from, version));

    internal static void Write(RecordWriter to, Evaluation evaluation)
    {
        to.Int32(evaluation.Problems);
        to.Int32(evaluation.Correct);
        to.Double(evaluation.MeanReward);
        to.Digest(evaluation.Tokens);
    }

    internal static Evaluation Evaluation(ref RecordReader from) =>
        new(from.Int32("problems"), from.Int32("correct"), from.Double("mean reward"), from.Digest("tokens"));

    internal static void Write(RecordWriter to, AdaptiveState adaptive, byte version)
    {
        to.Double(adaptive.KlCoefficient);
        to.Double(adaptive.EntropyCoefficient);
        to.Double(adaptive.LearningRateScale);
        if (version > 1)
        {
            to.Flag(adaptive.LastEntropy is not null);
            if (adaptive.LastEntropy is { } entropy)
            {
                to.Double(entropy);
            }
        }
    }

    internal static AdaptiveState Adaptive(ref RecordReader from, byte version) => new(
        from.Double("adaptive.kl"), from.Double("adaptive.entropy"), from.Double("adaptive.learning rate"),
        version > 1 && from.Flag("adaptive.has last entropy") ? from.Double("adaptive.last entropy") : null);

    internal static void Write(RecordWriter to, RunCounts counts)
    {
        to.Int64(counts.GroupsIssued);
        to.Int64(counts.GroupsTrained);
        to.Int64(counts.GroupsDropped);
        to.Int64(counts.TokensSampled);
        to.Int64(counts.TokensTrained);
        to.Int64(counts.TokensDropped);
        to.Int64(counts.OutcomesByTiming);
        to.Int64(counts.OutcomesFaulted);
    }

    internal static RunCounts Counts(ref RecordReader from) => new(
        from.Int64("groups issued"), from.Int64("groups trained"), from.Int64("groups dropped"),
        from.Int64("tokens sampled"), from.Int64("tokens trained"), from.Int64("tokens dropped"),
        from.Int64("outcomes by timing"), from.Int64("outcomes faulted"));
}
