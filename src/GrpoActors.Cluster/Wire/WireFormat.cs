using System.Collections.Immutable;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Core;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Learning;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Wire;

/// <summary>The fields of the messages, as the journal writes those of its records: little-endian, end to end.</summary>
/// <remarks>A kind's name carries its layout's version. A new version is read one release before any release writes it, so that nodes of neighbouring releases understand each other.</remarks>
internal static class WireFormat
{
    private const int GroupBytes = EventRecord.GroupBytes, DigestBytes = Digest.ByteLength, TicketBytesMin = GroupBytes + 8 + 4 + 8;

    private delegate WireMessage Read(ref RecordReader from);

    private static readonly Dictionary<string, Read> Readers = new(StringComparer.Ordinal)
    {
        ["work-wanted/1"] = static (ref from) => new WorkWanted(Introduction(ref from), from.Int64("ask")),
        ["work-goes-on/1"] = static (ref from) => new WorkGoesOn(Introduction(ref from)),
        ["work-dropped/1"] = static (ref from) => new WorkDropped(Introduction(ref from), from.Text("reason")),
        ["completions-offered/1"] = static (ref from) => new CompletionsOffered(Introduction(ref from), Ticket(ref from), from.Digest("weights"), from.Duration("elapsed"), Content(ref from)),
        ["calls-wanted/1"] = static (ref from) => new CallsWanted(Introduction(ref from), from.Int32("calls")),
        ["call-answered/1"] = static (ref from) => new CallAnswered(Introduction(ref from), Key(ref from), from.Array("outcomes", 1, EventRecord.Outcome)),
        ["lease-wanted/1"] = static (ref from) => new LeaseWanted(
            Introduction(ref from), from.Int64("asked at"), from.Array("checkpoints", 8 + DigestBytes, static (ref from) => new CheckpointHeld(from.Int64("step"), from.Digest("chain"))),
            from.Int64("orders"), from.Int64("reports")),
        ["lease-returned/1"] = static (ref from) => new LeaseReturned(Introduction(ref from), from.Int64("term"), from.Text("reason")),
        ["trainer-report/1"] = static (ref from) => new TrainerReport(from.Int64("term"), News(ref from)),
        ["refused/1"] = static (ref from) => new Refused(from.Text("reason")),
        ["tickets-issued/1"] = static (ref from) => new TicketsIssued(from.Int64("ask"), from.Array("tickets", TicketBytesMin, Ticket), Weights(ref from)),
        ["weights-announced/1"] = static (ref from) => new WeightsAnnounced(Weights(ref from), from.Int64("retire below")),
        ["weights-retired/1"] = static (ref from) => new WeightsRetired(from.Int64("below")),
        ["call-issued/1"] = static (ref from) => new CallIssued(Key(ref from), from.Int64("row"), Content(ref from)),
        ["lease-granted/1"] = static (ref from) => new LeaseGranted(from.Int64("term"), from.Int64("asked at"), from.Duration("for")),
        ["lease-denied/1"] = static (ref from) => new LeaseDenied(from.Text("holder")),
        ["trainer-order/1"] = static (ref from) => new TrainerOrder(from.Int64("term"), Task(ref from)),
        ["run-over/1"] = static (ref from) => new RunOver(from.Flag("has failure") ? from.Text("failure") : null),
    };

    /// <summary>Name and layout version of a message's kind.</summary>
    public static string KindOf(WireMessage message) => message switch
    {
        WorkWanted => "work-wanted/1",
        WorkGoesOn => "work-goes-on/1",
        WorkDropped => "work-dropped/1",
        CompletionsOffered => "completions-offered/1",
        CallsWanted => "calls-wanted/1",
        CallAnswered => "call-answered/1",
        LeaseWanted => "lease-wanted/1",
        LeaseReturned => "lease-returned/1",
        TrainerReport => "trainer-report/1",
        Refused => "refused/1",
        TicketsIssued => "tickets-issued/1",
        WeightsAnnounced => "weights-announced/1",
        WeightsRetired => "weights-retired/1",
        CallIssued => "call-issued/1",
        LeaseGranted => "lease-granted/1",
        LeaseDenied => "lease-denied/1",
        TrainerOrder => "trainer-order/1",
        RunOver => "run-over/1",
        _ => throw new InvalidOperationException($"The message {message.GetType().Name} has no layout."),
    };

    public static IReadOnlyCollection<string> Kinds => Readers.Keys;

    public static byte[] Encode(WireMessage message)
    {
        var to = new RecordWriter();
        switch (message)
        {
            case WorkWanted x:
                Write(to, x.By);
                to.Int64(x.Ask);
                break;
            case WorkGoesOn x:
                Write(to, x.By);
                break;
            case WorkDropped x:
                Write(to, x.By);
                to.Text(x.Reason);
                break;
            case CompletionsOffered x:
                Write(to, x.By);
                Write(to, x.Ticket);
                to.Digest(x.Weights);
                to.Duration(x.Elapsed);
                Write(to, x.Content);
                break;
            case CallsWanted x:
                Write(to, x.By);
                to.Int32(x.Calls);
                break;
            case CallAnswered x:
                Write(to, x.By);
                Write(to, x.Call);
                to.Array(x.Outcomes, EventRecord.Write);
                break;
            case LeaseWanted x:
                Write(to, x.By);
                to.Int64(x.AskedAt);
                to.Array(x.Checkpoints, static (to, held) =>
                {
                    to.Int64(held.Step);
                    to.Digest(held.Chain);
                });
                to.Int64(x.Orders);
                to.Int64(x.Reports);
                break;
            case LeaseReturned x:
                Write(to, x.By);
                to.Int64(x.Term);
                to.Text(x.Reason);
                break;
            case TrainerReport x:
                to.Int64(x.Term);
                Write(to, x.News);
                break;
            case Refused x:
                to.Text(x.Reason);
                break;
            case TicketsIssued x:
                to.Int64(x.Ask);
                to.Array(x.Tickets, Write);
                Write(to, x.Weights);
                break;
            case WeightsAnnounced x:
                Write(to, x.Weights);
                to.Int64(x.RetireBelow);
                break;
            case WeightsRetired x:
                to.Int64(x.Below);
                break;
            case CallIssued x:
                Write(to, x.Key);
                to.Int64(x.Row);
                Write(to, x.Completions);
                break;
            case LeaseGranted x:
                to.Int64(x.Term);
                to.Int64(x.AskedAt);
                to.Duration(x.For);
                break;
            case LeaseDenied x:
                to.Text(x.Holder);
                break;
            case TrainerOrder x:
                to.Int64(x.Term);
                Write(to, x.Task);
                break;
            case RunOver x:
                to.Flag(x.Failure is not null);
                if (x.Failure is not null)
                {
                    to.Text(x.Failure);
                }

                break;
            default:
                throw new InvalidOperationException($"The message {message.GetType().Name} has no layout.");
        }

        return to.ToArray();
    }

    /// <exception cref="JournalFormatException">Anything but one whole message of a known kind and version.</exception>
    public static WireMessage Decode(string kind, ReadOnlySpan<byte> bytes)
    {
        if (!Readers.TryGetValue(kind, out Read? read))
        {
            string name = kind.Split('/')[0];
            string? known = Readers.Keys.FirstOrDefault(other => other.StartsWith(name + "/", StringComparison.Ordinal));
            throw new JournalFormatException(known is null
                ? $"A message of kind '{kind}' is unknown to this program: its sender is newer, or no node of this cluster."
                : $"A message has kind and version '{kind}', and this program reads '{known}': bring its sender or this node to the same release.");
        }

        var from = new RecordReader(bytes);
        WireMessage message = read(ref from);
        from.End();
        return message;
    }

    private static void Write(RecordWriter to, Introduction by)
    {
        to.Text(by.Name);
        to.Digest(by.Identity);
        to.Text(by.NumericsRevision);
    }

    private static Introduction Introduction(ref RecordReader from) => new(from.Text("name"), from.Digest("identity"), from.Text("numerics revision"));

    private static void Write(RecordWriter to, ContentRef content)
    {
        to.Text(content.At.AbsoluteUri);
        to.Digest(content.Sha256);
        to.Int64(content.LengthBytes);
    }

    private static ContentRef Content(ref RecordReader from) => new(Address(ref from), from.Digest("sha256"), from.Int64("length"));

    private static void Write(RecordWriter to, WeightsRef weights)
    {
        to.Int64(weights.Version.Steps);
        to.Digest(weights.Policy);
        to.Digest(weights.Sha256);
        to.Int64(weights.LengthBytes);
        to.Text(weights.At.AbsoluteUri);
    }

    private static WeightsRef Weights(ref RecordReader from) => new(EventRecord.Policy(ref from), from.Digest("policy"), from.Digest("sha256"), from.Int64("length"), Address(ref from));

    private static Uri Address(ref RecordReader from)
    {
        string text = from.Text("address");
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https" ? address : throw new JournalFormatException($"A message names the address '{text}', which is none of http or https.");
    }

    private static void Write(RecordWriter to, Ticket ticket)
    {
        EventRecord.Write(to, ticket.Group);
        to.Int64(ticket.Row);
        to.Array(ticket.Indices, static (to, index) => to.Int32(index));
        to.Int64(ticket.Version.Steps);
    }

    private static Ticket Ticket(ref RecordReader from) =>
        new(EventRecord.Group(ref from), from.Int64("row"), from.Array("indices", 4, static (ref from) => from.Int32("index")), EventRecord.Policy(ref from));

    private static void Write(RecordWriter to, CallKey key)
    {
        EventRecord.Write(to, key.Group);
        to.Int32(key.Reward);
        to.Int32(key.Attempt);
    }

    private static CallKey Key(ref RecordReader from) => new(EventRecord.Group(ref from), from.Int32("reward"), from.Int32("attempt"));

    private static void Write(RecordWriter to, TrainerNews news)
    {
        switch (news)
        {
            case TrainerNews.Restarted:
                to.Byte(0);
                break;
            case TrainerNews.Published x:
                to.Byte(1);
                Write(to, x.Weights);
                break;
            case TrainerNews.Trained x:
                to.Byte(2);
                to.Int64(x.Step);
                EventRecord.Write(to, x.Outputs, EventRecord.Version);
                to.Duration(x.Timings.Training);
                to.Duration(x.Timings.Waiting);
                break;
            case TrainerNews.Tripped x:
                to.Byte(3);
                to.Int64(x.Step);
                to.Digest(x.Batch);
                to.Text(x.Reason);
                break;
            case TrainerNews.Saved x:
                to.Byte(4);
                to.Int64(x.Step);
                to.Text(x.Folder);
                to.Digest(x.Manifest);
                to.Digest(x.WeightsSha256);
                to.Digest(x.OptimizerSha256);
                break;
            case TrainerNews.Judged x:
                to.Byte(5);
                to.Int64(x.Version.Steps);
                EventRecord.Write(to, x.Evaluation);
                break;
            default:
                throw new InvalidOperationException($"The news {news.GetType().Name} has no layout.");
        }
    }

    private static TrainerNews News(ref RecordReader from) => from.Case(5, "news") switch
    {
        0 => new TrainerNews.Restarted(),
        1 => new TrainerNews.Published(Weights(ref from)),
        2 => new TrainerNews.Trained(from.Int64("step"), EventRecord.Outputs(ref from, EventRecord.Version), new StepTimings(from.Duration("training"), from.Duration("waiting"))),
        3 => new TrainerNews.Tripped(from.Int64("step"), from.Digest("batch"), from.Text("reason")),
        4 => new TrainerNews.Saved(from.Int64("step"), from.Text("folder"), from.Digest("manifest"), from.Digest("weights"), from.Digest("optimizer")),
        _ => new TrainerNews.Judged(EventRecord.Policy(ref from), EventRecord.Evaluation(ref from)),
    };

    private static void Write(RecordWriter to, TrainerTask task)
    {
        switch (task)
        {
            case TrainerTask.BeginPhase x:
                to.Byte(0);
                to.Int32(x.Phase);
                to.Flag(x.ResetOptimizer);
                to.Flag(x.KeepReference);
                break;
            case TrainerTask.Train x:
                to.Byte(1);
                to.Int64(x.Step);
                to.Digest(x.Batch);
                to.Digest(x.Policy);
                to.Int64(x.Position);
                break;
            case TrainerTask.Publish x:
                to.Byte(2);
                to.Int64(x.Version.Steps);
                to.Digest(x.Policy);
                break;
            case TrainerTask.Save x:
                to.Byte(3);
                to.Int64(x.Step);
                to.Digest(x.Chain);
                to.Int64(x.Position);
                to.Digest(x.Policy);
                to.Int32(x.Phase);
                to.Flag(x.IsLast);
                break;
            case TrainerTask.Retire x:
                to.Byte(4);
                to.Array(x.Kept, static (to, step) => to.Int64(step));
                break;
            case TrainerTask.Judge x:
                to.Byte(5);
                to.Int64(x.Version.Steps);
                break;
            case TrainerTask.RollBack x:
                to.Byte(6);
                to.Int64(x.Step);
                to.Int64(x.To);
                to.Digest(x.Policy);
                break;
            default:
                throw new InvalidOperationException($"The task {task.GetType().Name} has no layout.");
        }
    }

    private static TrainerTask Task(ref RecordReader from) => from.Case(6, "task") switch
    {
        0 => new TrainerTask.BeginPhase(from.Int32("phase"), from.Flag("reset optimizer"), from.Flag("keep reference")),
        1 => new TrainerTask.Train(from.Int64("step"), from.Digest("batch"), from.Digest("policy"), from.Int64("position")),
        2 => new TrainerTask.Publish(EventRecord.Policy(ref from), from.Digest("policy")),
        3 => new TrainerTask.Save(from.Int64("step"), from.Digest("chain"), from.Int64("position"), from.Digest("policy"), from.Int32("phase"), from.Flag("is last")),
        4 => new TrainerTask.Retire(from.Array("kept", 8, static (ref from) => from.Int64("step"))),
        5 => new TrainerTask.Judge(EventRecord.Policy(ref from)),
        _ => new TrainerTask.RollBack(from.Int64("step"), from.Int64("to"), from.Digest("policy")),
    };
}
