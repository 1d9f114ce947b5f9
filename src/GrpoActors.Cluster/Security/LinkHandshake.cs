using System.Security.Cryptography;

namespace GrpoActors.Cluster.Security;

/// <summary>How the two ends of a connection prove to each other that they have the join secret, and get keys for this connection alone.</summary>
/// <remarks>
/// <code>
/// initiator                                                  acceptor
///    greeting:  "GRPO" 1 | nonce i (32 bytes)        -->
///                                                   <--      answer:  nonce a (32) | HMAC(key, "acceptor" i a)
///    proof:     HMAC(key, "initiator" i a)           -->
///    then each frame either way: payload | first 16 bytes of HMAC(key of this direction and of i and a, frame number u64 | payload)
/// </code>
/// Each end has put a nonce of its own into every key, so nothing recorded on one connection is good on another; the frame number, which is not sent, makes a frame good once and
/// at its place alone; the labels make nothing that one end says good in the mouth of the other. HMAC is HMAC-SHA256, its key the join secret's for this purpose.
/// </remarks>
internal static class LinkHandshake
{
    public const int NonceBytes = 32;
    public const int ProofBytes = HMACSHA256.HashSizeInBytes;

    private static ReadOnlySpan<byte> Magic => "GRPO\u0001"u8;

    public static byte[] NewNonce() => RandomNumberGenerator.GetBytes(NonceBytes);

    public static byte[] KeyOf(JoinSecret secret) => secret.KeyFor("grpo remoting 1");

    public static byte[] Greeting(byte[] initiator) => [.. Magic, .. initiator];

    /// <returns>The initiator's nonce; null where it is no greeting.</returns>
    public static byte[]? ReadGreeting(ReadOnlySpan<byte> frame) =>
        frame.Length == Magic.Length + NonceBytes && frame.StartsWith(Magic) ? frame[Magic.Length..].ToArray() : null;

    public static byte[] Answer(byte[] key, byte[] initiator, byte[] acceptor) => [.. acceptor, .. Proof(key, "acceptor"u8, initiator, acceptor)];

    /// <returns>The acceptor's nonce, and whether it has proved itself; null where it is no answer.</returns>
    public static (byte[] Nonce, bool Proved)? ReadAnswer(ReadOnlySpan<byte> frame, byte[] key, byte[] initiator)
    {
        if (frame.Length != NonceBytes + ProofBytes)
        {
            return null;
        }

        byte[] acceptor = frame[..NonceBytes].ToArray();
        return (acceptor, CryptographicOperations.FixedTimeEquals(frame[NonceBytes..], Proof(key, "acceptor"u8, initiator, acceptor)));
    }

    public static byte[] InitiatorProof(byte[] key, byte[] initiator, byte[] acceptor) => Proof(key, "initiator"u8, initiator, acceptor);

    public static bool IsInitiatorProof(ReadOnlySpan<byte> frame, byte[] key, byte[] initiator, byte[] acceptor) =>
        CryptographicOperations.FixedTimeEquals(frame, InitiatorProof(key, initiator, acceptor));

    /// <summary>What goes from one end, and what comes to it.</summary>
    public static (LinkSeal Out, LinkSeal In) Seals(byte[] key, byte[] initiator, byte[] acceptor, bool ofInitiator)
    {
        var fromInitiator = new LinkSeal(Proof(key, "frames of the initiator"u8, initiator, acceptor));
        var fromAcceptor = new LinkSeal(Proof(key, "frames of the acceptor"u8, initiator, acceptor));
        return ofInitiator ? (fromInitiator, fromAcceptor) : (fromAcceptor, fromInitiator);
    }

    private static byte[] Proof(byte[] key, ReadOnlySpan<byte> label, byte[] initiator, byte[] acceptor)
    {
        // The nonces have one length, so no label can run over into them.
        byte[] said = [.. label, .. initiator, .. acceptor];
        return HMACSHA256.HashData(key, said);
    }
}
