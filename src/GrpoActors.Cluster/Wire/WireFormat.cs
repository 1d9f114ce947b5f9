using GrpoActors.Actors.Protocol;
using GrpoActors.Core;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Wire;

/// <summary>The fields of the messages, as the journal writes those of its records: little-endian, end to end.</summary>
/// <remarks>A kind's name carries its layout's version. A new version is read one release before any release writes it, so that nodes of neighbouring releases understand each other.</remarks>
internal static class WireFormat
{
    private const int GroupBytes = EventRecord.GroupBytes, DigestBytes = Digest.ByteLength, TicketBytesMin = GroupBytes + 8 + 4 + 8;

    private delegate WorkerMessage Read(ref RecordReader from);

    private static readonly Dictionary<string, Read> Readers = new(StringComparer.Ordinal)
    {
        ["work-wanted/1"] = static (ref from) => new WorkWanted(Identity(ref from), from.Int64("ask")),
        ["heartbeat/1"] = static (ref from) => new Heartbeat(Identity(ref from)),
        ["work-returned/1"] = static (ref from) => new WorkReturned(Identity(ref from), from.Text("reason")),
        ["completions-offered/1"] = static (ref from) => new CompletionsOffered(
            Identity(ref from), Ticket(ref from), from.Digest("weights"), from.Duration("elapsed"), new CompletionsRef.Served(Content(ref from))),
        ["calls-wanted/1"] = static (ref from) => new CallsWanted(Identity(ref from), from.Int32("calls")),
        ["call-answered/1"] = static (ref from) => new CallAnswered(Identity(ref from), Key(ref from), from.Array("outcomes", 1, EventRecord.Outcome)),
        ["lease-wanted/1"] = static (ref from) => new LeaseWanted(
            Identity(ref from), from.Int64("asked at"), from.Array("checkpoints", 8 + DigestBytes, static (ref from) => new LedgerValue(from.Int64("step"), from.Digest("chain"))),
            from.Int64("orders"), from.Int64("reports")),
        ["lease-returned/1"] = static (ref from) => new LeaseReturned(Identity(ref from), from.Int64("term"), from.Text("reason")),
        ["trainer-report/2"] = static (ref from) => new TrainerReport(from.Int64("term"), LearnerFormat.ReadCommand(ref from), from.Flag("has weights") ? Weights(ref from) : null),
        ["refused/1"] = static (ref from) => new Refused(from.Text("reason")),
        ["tickets-issued/1"] = static (ref from) => new TicketsIssued(
            from.Int64("ask"), from.Array("tickets", TicketBytesMin, static (ref from) => new PromptedTicket(Ticket(ref from), default)), Weights(ref from)),
        ["weights-announced/1"] = static (ref from) => new WeightsAnnounced(Weights(ref from), from.Int64("retire below")),
        ["version-reached/1"] = static (ref from) => new VersionReached(from.Int64("version"), from.Int64("retire below")),
        ["call-issued/1"] = static (ref from) => new CallIssued(Key(ref from), from.Int64("row"), new CompletionsRef.Served(Content(ref from))),
        ["lease-granted/2"] = static (ref from) => new LeaseGranted(from.Int64("term"), from.Int64("asked at"), from.Duration("for"), from.Flag("accept lost tail")),
        ["lease-denied/1"] = static (ref from) => new LeaseDenied(from.Text("holder")),
        ["trainer-order/2"] = static (ref from) => new TrainerOrder(from.Int64("term"), LearnerFormat.ReadEffect(ref from)),
        ["train-journalled/1"] = static (ref from) => new TrainJournalled(from.Int64("term"), from.Int64("step"), from.Digest("batch"), from.Digest("policy"), from.Int64("position")),
        ["run-over/1"] = static (ref from) => new RunOver(from.Flag("has failure") ? from.Text("failure") : null),
    };

    /// <summary>Name and layout version of a message's kind.</summary>
    public static string KindOf(WorkerMessage message) => message switch
    {
        WorkWanted => "work-wanted/1",
        Heartbeat => "heartbeat/1",
        WorkReturned => "work-returned/1",
        CompletionsOffered => "completions-offered/1",
        CallsWanted => "calls-wanted/1",
        CallAnswered => "call-answered/1",
        LeaseWanted => "lease-wanted/1",
        LeaseReturned => "lease-returned/1",
        TrainerReport => "trainer-report/2",
        Refused => "refused/1",
        TicketsIssued => "tickets-issued/1",
        WeightsAnnounced => "weights-announced/1",
        VersionReached => "version-reached/1",
        CallIssued => "call-issued/1",
        LeaseGranted => "lease-granted/2",
        LeaseDenied => "lease-denied/1",
        TrainerOrder => "trainer-order/2",
        TrainJournalled => "train-journalled/1",
        RunOver => "run-over/1",
        _ => throw new InvalidOperationException($"The message {message.GetType().Name} has no layout."),
    };

    public static IReadOnlyCollection<string> Kinds => Readers.Keys;

    public static byte[] Encode(WorkerMessage message)
    {
        var to = new RecordWriter();
        switch (message)
        {
            case WorkWanted x:
                Write(to, x.By);
                to.Int64(x.Ask);
                break;
            case Heartbeat x:
                Write(to, x.By);
                break;
            case WorkReturned x:
                Write(to, x.By);
                to.Text(x.Reason);
                break;
            case CompletionsOffered x:
                Write(to, x.By);
                Write(to, x.Ticket);
                to.Digest(x.Weights);
                to.Duration(x.Elapsed);
                Write(to, x.Completions);
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
                LearnerFormat.Write(to, x.Command);
                to.Flag(x.Weights is not null);
                if (x.Weights is not null)
                {
                    Write(to, x.Weights);
                }

                break;
            case Refused x:
                to.Text(x.Reason);
                break;
            case TicketsIssued x:
                to.Int64(x.Ask);
                to.Array(x.Tickets, static (to, ticket) => Write(to, ticket.Ticket));
                Write(to, x.Weights);
                break;
            case WeightsAnnounced x:
                Write(to, x.Weights);
                to.Int64(x.RetireBelow);
                break;
            case VersionReached x:
                to.Int64(x.Version);
                to.Int64(x.RetireBelow);
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
                to.Flag(x.AcceptLostTail);
                break;
            case LeaseDenied x:
                to.Text(x.Holder);
                break;
            case TrainerOrder x:
                to.Int64(x.Term);
                LearnerFormat.Write(to, x.Effect);
                break;
            case TrainJournalled x:
                to.Int64(x.Term);
                to.Int64(x.Step);
                to.Digest(x.Batch);
                to.Digest(x.Policy);
                to.Int64(x.Position);
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
    public static WorkerMessage Decode(string kind, ReadOnlySpan<byte> bytes)
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
        WorkerMessage message = read(ref from);
        from.End();
        return message;
    }

    private static void Write(RecordWriter to, WorkerIdentity by)
    {
        to.Text(by.Name);
        to.Digest(by.Identity);
        to.Text(by.NumericsRevision);
    }

    private static WorkerIdentity Identity(ref RecordReader from) => new(from.Text("name"), from.Digest("identity"), from.Text("numerics revision"));

    private static void Write(RecordWriter to, CompletionsRef completions) => Write(to, completions is CompletionsRef.Served served
        ? served.Content
        : throw new InvalidOperationException("Completions that lie in this process alone cannot be sent to another one."));

    private static void Write(RecordWriter to, ContentRef content)
    {
        to.Text(content.At.AbsoluteUri);
        to.Digest(content.Sha256);
        to.Int64(content.LengthBytes);
    }

    private static ContentRef Content(ref RecordReader from) => new(Address(ref from), from.Digest("sha256"), from.Int64("length"));

    private static void Write(RecordWriter to, WeightsRef weights)
    {
        ServedWeights served = weights.Served ?? throw new InvalidOperationException("Weights that lie in this process alone cannot be named to another one.");
        to.Int64(weights.Version.Steps);
        to.Digest(served.Policy);
        Write(to, served.Content);
    }

    private static WeightsRef Weights(ref RecordReader from) => new(EventRecord.Policy(ref from), new ServedWeights(from.Digest("policy"), Content(ref from)));

    private static Uri Address(ref RecordReader from)
    {
        string text = from.Text("address");
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? address) && address.Scheme is "http" or "https"
            ? address
            : throw new JournalFormatException($"A message names the address '{text}', which is none of http or https.");
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
}
