using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Wire;

/// <summary>The fields of the learner's effects and commands, those that cross the wire: a batch does not, it lies in the journal.</summary>
internal static class LearnerFormat
{
    public static void Write(RecordWriter to, Command command)
    {
        switch (command)
        {
            case Command.TrainerRestarted:
                to.Byte(0);
                break;
            case Command.VersionPublished x:
                to.Byte(1);
                to.Int64(x.Version.Steps);
                break;
            case Command.BatchTrained x:
                to.Byte(2);
                to.Int64(x.Step);
                EventRecord.Write(to, x.Outputs, EventRecord.Version);
                to.Duration(x.Timings.Training);
                to.Duration(x.Timings.Waiting);
                break;
            case Command.SentinelTripped x:
                to.Byte(3);
                to.Int64(x.Step);
                to.Digest(x.Batch);
                to.Text(x.Reason);
                break;
            case Command.CheckpointDone x:
                to.Byte(4);
                to.Int64(x.Step);
                to.Text(x.Folder);
                to.Digest(x.Manifest);
                to.Digest(x.WeightsSha256);
                to.Digest(x.OptimizerSha256);
                break;
            case Command.EvaluationDone x:
                to.Byte(5);
                to.Int64(x.Version.Steps);
                EventRecord.Write(to, x.Evaluation);
                break;
            default:
                throw new InvalidOperationException($"The command {command.GetType().Name} is none that a trainer reports.");
        }
    }

    public static Command ReadCommand(ref RecordReader from) => from.Case(5, "command") switch
    {
        0 => new Command.TrainerRestarted(),
        1 => new Command.VersionPublished(EventRecord.Policy(ref from)),
        2 => new Command.BatchTrained(from.Int64("step"), EventRecord.Outputs(ref from, EventRecord.Version), new StepTimings(from.Duration("training"), from.Duration("waiting"))),
        3 => new Command.SentinelTripped(from.Int64("step"), from.Digest("batch"), from.Text("reason")),
        4 => new Command.CheckpointDone(from.Int64("step"), from.Text("folder"), from.Digest("manifest"), from.Digest("weights"), from.Digest("optimizer")),
        _ => new Command.EvaluationDone(EventRecord.Policy(ref from), EventRecord.Evaluation(ref from)),
    };

    public static void Write(RecordWriter to, Effect effect)
    {
        switch (effect)
        {
            case Effect.BeginPhase x:
                to.Byte(0);
                to.Int32(x.Phase);
                to.Flag(x.ResetOptimizer);
                to.Flag(x.KeepReference);
                break;
            case Effect.PublishVersion x:
                to.Byte(1);
                to.Int64(x.Version.Steps);
                to.Digest(x.Policy);
                break;
            case Effect.WriteCheckpoint x:
                to.Byte(2);
                to.Int64(x.Step);
                to.Digest(x.Chain);
                to.Int64(x.Position);
                to.Digest(x.Policy);
                to.Int32(x.Phase);
                to.Flag(x.IsLast);
                break;
            case Effect.RetireCheckpoints x:
                to.Byte(3);
                to.Array(x.Kept, static (to, step) => to.Int64(step));
                break;
            case Effect.Evaluate x:
                to.Byte(4);
                to.Int64(x.Version.Steps);
                break;
            case Effect.RollBack x:
                to.Byte(5);
                to.Int64(x.Step);
                to.Int64(x.To);
                to.Digest(x.Policy);
                break;
            default:
                throw new InvalidOperationException($"The effect {effect.GetType().Name} is none for a trainer on another node.");
        }
    }

    public static Effect ReadEffect(ref RecordReader from) => from.Case(5, "effect") switch
    {
        0 => new Effect.BeginPhase(from.Int32("phase"), from.Flag("reset optimizer"), from.Flag("keep reference")),
        1 => new Effect.PublishVersion(EventRecord.Policy(ref from), from.Digest("policy")),
        2 => new Effect.WriteCheckpoint(from.Int64("step"), from.Digest("chain"), from.Int64("position"), from.Digest("policy"), from.Int32("phase"), from.Flag("is last")),
        3 => new Effect.RetireCheckpoints(from.Array("kept", 8, static (ref from) => from.Int64("step"))),
        4 => new Effect.Evaluate(EventRecord.Policy(ref from)),
        _ => new Effect.RollBack(from.Int64("step"), from.Int64("to"), from.Digest("policy")),
    };
}
