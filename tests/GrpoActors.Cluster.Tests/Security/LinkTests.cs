using GrpoActors.Cluster.Security;
using Xunit;

namespace GrpoActors.Cluster.Tests.Security;

public sealed class LinkTests
{
    private static readonly byte[] Key = LinkHandshake.KeyOf(JoinSecret.Of("sixteen bytes, no less"u8, "a test"));
    private static readonly byte[] Initiator = [.. Enumerable.Repeat((byte)1, 32)], Acceptor = [.. Enumerable.Repeat((byte)2, 32)];

    [Fact]
    public void Frames_come_out_as_they_went_in_and_in_their_order_alone()
    {
        (LinkSeal sent, _) = LinkHandshake.Seals(Key, Initiator, Acceptor, ofInitiator: true);
        (_, LinkSeal got) = LinkHandshake.Seals(Key, Initiator, Acceptor, ofInitiator: false);
        byte[] first = Sent(sent, [1, 2, 3]), second = Sent(sent, []), third = Sent(sent, [1, 2, 3]);
        Assert.NotEqual(first, third);
        Assert.Null(got.Open(second));
        Assert.Equal(3, got.Open(first));
        Assert.Null(got.Open(first));
        Assert.Equal(0, got.Open(second));
        Assert.Equal(3, got.Open(third));
    }

    [Fact]
    public void A_changed_bit_anywhere_and_every_truncation_is_refused()
    {
        (LinkSeal sent, _) = LinkHandshake.Seals(Key, Initiator, Acceptor, ofInitiator: true);
        (_, LinkSeal got) = LinkHandshake.Seals(Key, Initiator, Acceptor, ofInitiator: false);
        byte[] frame = sent.Seal([9, 8, 7, 6, 5]);
        for (int bit = 0; bit < frame.Length * 8; bit++)
        {
            byte[] changed = [.. frame];
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(got.Open(changed));
        }

        for (int length = 0; length < frame.Length; length++)
        {
            Assert.Null(got.Open(frame.AsSpan(0, length)));
        }

        Assert.Null(got.Open([.. frame, 0]));
        Assert.Equal(5, got.Open(frame));
    }

    [Fact]
    public void A_frame_is_good_on_its_connection_in_its_direction_alone()
    {
        (LinkSeal sent, LinkSeal back) = LinkHandshake.Seals(Key, Initiator, Acceptor, ofInitiator: true);
        byte[] frame = sent.Seal([1]);
        Assert.Null(back.Open(frame));
        byte[] other = [.. Enumerable.Repeat((byte)3, 32)];
        Assert.Null(LinkHandshake.Seals(Key, Initiator, other, ofInitiator: false).In.Open(frame));
        Assert.Null(LinkHandshake.Seals(Key, other, Acceptor, ofInitiator: false).In.Open(frame));
    }

    [Fact]
    public void A_proof_is_good_for_its_secret_its_nonces_and_its_end_alone()
    {
        byte[] answer = LinkHandshake.Answer(Key, Initiator, Acceptor), proof = LinkHandshake.InitiatorProof(Key, Initiator, Acceptor);
        byte[] stranger = LinkHandshake.KeyOf(JoinSecret.Of("sixteen bytes, no more"u8, "a test"));
        (byte[] nonce, bool proved) = LinkHandshake.ReadAnswer(answer, Key, Initiator)!.Value;
        Assert.Equal(Acceptor, nonce);
        Assert.True(proved);
        Assert.False(LinkHandshake.ReadAnswer(answer, stranger, Initiator)!.Value.Proved);
        Assert.False(LinkHandshake.ReadAnswer(answer, Key, Acceptor)!.Value.Proved);
        Assert.Null(LinkHandshake.ReadAnswer(answer.AsSpan(1), Key, Initiator));
        Assert.True(LinkHandshake.IsInitiatorProof(proof, Key, Initiator, Acceptor));
        Assert.False(LinkHandshake.IsInitiatorProof(proof, stranger, Initiator, Acceptor));
        Assert.False(LinkHandshake.IsInitiatorProof(proof, Key, Acceptor, Initiator));
        Assert.False(LinkHandshake.IsInitiatorProof(answer.AsSpan(32), Key, Initiator, Acceptor));
        Assert.False(LinkHandshake.IsInitiatorProof([], Key, Initiator, Acceptor));
        Assert.Equal(Initiator, LinkHandshake.ReadGreeting(LinkHandshake.Greeting(Initiator)));
        Assert.Null(LinkHandshake.ReadGreeting([.. LinkHandshake.Greeting(Initiator), 0]));
        Assert.Null(LinkHandshake.ReadGreeting("GRPO\u0002"u8));
    }

    private static byte[] Sent(LinkSeal seal, byte[] payload)
    {
        byte[] frame = seal.Seal(payload);
        seal.Advance();
        return frame;
    }
}
