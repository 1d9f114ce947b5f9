using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;

namespace GrpoActors.Cluster.Security;

/// <summary>One connection between two nodes: first the proofs, then sealed frames.</summary>
/// <remarks>
/// <code>
/// initiator:  greets --answer--> sends its proof, is proved --frames--> open
/// acceptor:   waits --greeting--> answers --proof--> is proved --frames--> open
/// either:     anything else, or nothing in time --> refused, closed
/// </code>
/// </remarks>
/// <param name="below">The plain connection.</param>
/// <param name="refuse">Counts and logs: who, why.</param>
internal sealed class AuthenticatedAssociation(AssociationHandle below, byte[] key, bool initiator, Action<Address, string> refuse)
    : AssociationHandle(below.LocalAddress, below.RemoteAddress), IHandleEventListener
{
    /// <summary>Frames that may arrive between the proof and the listener; the protocol above sends a handful.</summary>
    private const int WaitingMax = 1024;

    // The initiator's task is awaited by whoever associates, the acceptor's tells the transport: neither may run under the lock.
    private readonly TaskCompletionSource proved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly byte[] nonce = LinkHandshake.NewNonce();
    private readonly Lock receiving = new(), sending = new();
    private readonly Queue<IHandleEvent> waiting = new();
    private State state = initiator ? State.AwaitsAnswer : State.AwaitsGreeting;
    private byte[]? otherNonce;
    private LinkSeal? sealOut, sealIn;
    private IHandleEventListener? listener;

    private enum State : byte
    {
        AwaitsGreeting,
        AwaitsAnswer,
        AwaitsProof,
        Open,
        Closed,
    }

    /// <summary>Done when both ends have proved themselves; fails when that cannot be any more.</summary>
    public Task Proved => proved.Task;

    public void Begin()
    {
        _ = ReadHandlerSource.Task.ContinueWith(
            registered => Register(registered.Result),
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously | TaskContinuationOptions.OnlyOnRanToCompletion,
            TaskScheduler.Default);
        if (initiator)
        {
            below.Write(ByteString.CopyFrom(LinkHandshake.Greeting(nonce)));
        }

        below.ReadHandlerSource.TrySetResult(this);
    }

    /// <summary>Closes a connection that has not proved itself by now.</summary>
    public void GiveUp(string reason)
    {
        lock (receiving)
        {
            if (state is not (State.Open or State.Closed))
            {
                Refuse(reason);
            }
        }
    }

    public void Close()
    {
#pragma warning disable CS0618 // The other overload logs and calls this one.
        below.Disassociate();
#pragma warning restore CS0618
    }

    public override bool Write(ByteString payload)
    {
        lock (sending)
        {
            // What is not sent does not count: the other end expects the frames without a gap.
            bool sent = below.Write(UnsafeByteOperations.UnsafeWrap(sealOut!.Seal(payload.Span)));
            if (sent)
            {
                sealOut.Advance();
            }

            return sent;
        }
    }

    [Obsolete("Use the method that states reasons to make sure disassociation reasons are logged.")]
    public override void Disassociate() => Close();

    public void Notify(IHandleEvent happened)
    {
        lock (receiving)
        {
            switch (happened)
            {
                case InboundPayload frame:
                    Take(frame.Payload);
                    break;
                case Disassociated when state is not (State.Open or State.Closed):
                    // A look at the port, without a word, is no attempt.
                    if (state == State.AwaitsProof)
                    {
                        refuse(RemoteAddress, "it left before it had proved that it has the join secret");
                    }

                    Fail("the other end closed the connection before both had proved that they have the join secret");
                    break;
                default:
                    Forward(happened);
                    break;
            }
        }
    }

    private void Take(ByteString frame)
    {
        switch (state)
        {
            case State.AwaitsGreeting:
                otherNonce = LinkHandshake.ReadGreeting(frame.Span);
                if (otherNonce is null)
                {
                    Refuse("it did not greet as a node of this program's version does");
                    break;
                }

                state = State.AwaitsProof;
                below.Write(ByteString.CopyFrom(LinkHandshake.Answer(key, otherNonce, nonce)));
                break;
            case State.AwaitsAnswer:
                TakeAnswer(frame.Span);
                break;
            case State.AwaitsProof when LinkHandshake.IsInitiatorProof(frame.Span, key, otherNonce!, nonce):
                Open(LinkHandshake.Seals(key, otherNonce!, nonce, ofInitiator: false));
                break;
            case State.AwaitsProof:
                Refuse("its join secret is another one");
                break;
            case State.Open when sealIn!.Open(frame.Span) is { } length:
                Forward(new InboundPayload(UnsafeByteOperations.UnsafeWrap(frame.Memory[..length])));
                break;
            case State.Open:
                Refuse("a frame was altered, repeated or made by someone else");
                break;
        }
    }

    private void TakeAnswer(ReadOnlySpan<byte> frame)
    {
        if (LinkHandshake.ReadAnswer(frame, key, nonce) is not { } answer)
        {
            Refuse("it did not answer as a node of this program's version does");
            return;
        }

        // Sent even to a stranger, who learns nothing from it: then the node that is called can say why nothing came of the call.
        below.Write(ByteString.CopyFrom(LinkHandshake.InitiatorProof(key, nonce, answer.Nonce)));
        if (answer.Proved)
        {
            Open(LinkHandshake.Seals(key, nonce, answer.Nonce, ofInitiator: true));
        }
        else
        {
            Refuse("its join secret is another one");
        }
    }

    private void Open((LinkSeal Out, LinkSeal In) seals)
    {
        (sealOut, sealIn) = seals;
        state = State.Open;
        proved.TrySetResult();
    }

    private void Refuse(string reason)
    {
        refuse(RemoteAddress, reason);
        Fail(reason);
    }

    private void Fail(string reason)
    {
        bool wasOpen = state == State.Open;
        state = State.Closed;
        Close();
        if (wasOpen)
        {
            Forward(new Disassociated(DisassociateInfo.Unknown));
        }
        else
        {
            proved.TrySetException(new InvalidAssociationException($"The connection with {RemoteAddress} was refused: {reason}."));
        }
    }

    private void Register(IHandleEventListener registered)
    {
        lock (receiving)
        {
            while (waiting.TryDequeue(out IHandleEvent? happened))
            {
                registered.Notify(happened);
            }

            listener = registered;
        }
    }

    private void Forward(IHandleEvent happened)
    {
        if (listener is not null)
        {
            listener.Notify(happened);
        }
        else if (waiting.Count < WaitingMax)
        {
            waiting.Enqueue(happened);
        }
        else
        {
            Close();
        }
    }
}
