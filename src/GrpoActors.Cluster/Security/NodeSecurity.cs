using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;

namespace GrpoActors.Cluster.Security;

/// <summary>How nodes trust each other: the certificate that this one shows, and which it believes when the others show theirs. One of three.</summary>
/// <remarks>
/// <code>
/// a join secret            every node makes the same key from it; that key is pinned
/// the user's certificates  signed by one of the user's authorities
/// neither                  plain, for the processes of one machine
/// </code>
/// </remarks>
internal sealed class NodeSecurity
{
    private readonly Func<X509Certificate2, X509Chain?, SslPolicyErrors, string?> objection;

    private NodeSecurity(X509Certificate2? certificate, Func<X509Certificate2, X509Chain?, SslPolicyErrors, string?> objection)
    {
        Certificate = certificate;
        CertificateContext = certificate is null ? null : SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
        this.objection = objection;
    }

    /// <summary>Plain: for the loopback interface alone.</summary>
    public static NodeSecurity None { get; } = new(null, (_, _, _) => null);

    /// <summary>With its private key, for remoting and HTTP, for calling and being called; null: plain.</summary>
    public X509Certificate2? Certificate { get; }

    /// <summary>The same, ready for TLS: it is sent whatever authorities the other end asks for.</summary>
    public SslStreamCertificateContext? CertificateContext { get; }

    public static NodeSecurity BySecret(JoinSecret secret)
    {
        X509Certificate2 own = SecretCertificate.Of(secret);
        return new NodeSecurity(own, (shown, _, _) => SecretCertificate.IsPinned(own, shown) ? null : "its certificate is made from another join secret");
    }

    /// <param name="checkHostName">Whether the certificate of a node that is called must name the host that was called.</param>
    public static NodeSecurity ByAuthorities(X509Certificate2 certificate, X509Certificate2Collection authorities, bool checkHostName)
    {
        return new NodeSecurity(certificate, Objection);

        string? Objection(X509Certificate2 shown, X509Chain? chain, SslPolicyErrors errors) =>
            checkHostName && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch) ? "its certificate names another host"
            : NodeCertificates.IsSignedBy(authorities, shown, chain) ? null
            : "its certificate is not signed by one of grpo.security.authorities, or not valid today";
    }

    /// <summary>Reads <c>grpo.security</c>.</summary>
    /// <exception cref="SecurityMistakeException">Something cannot be read, is too weak, or contradicts something else.</exception>
    public static NodeSecurity Read(Config config, Func<string, string?> environment)
    {
        string certificate = config.GetString("grpo.security.certificate", ""), authorities = config.GetString("grpo.security.authorities", "");
        JoinSecret? secret = JoinSecret.Read(config.GetString("grpo.security.secret-file", ""), environment);
        return (secret, certificate.Length > 0, authorities.Length > 0) switch
        {
            (null, false, false) => None,
            ({ } given, false, false) => BySecret(given),
            (null, true, true) => ByAuthorities(
                NodeCertificates.Load(certificate, config.GetString("grpo.security.certificate-password-env", ""), environment),
                NodeCertificates.LoadAuthorities(authorities),
                config.GetBoolean("grpo.security.check-host-name", true)),
            (null, _, _) => throw new SecurityMistakeException(
                "Of grpo.security.certificate and grpo.security.authorities one is set without the other: "
                + "name this node's certificate, and the authorities whose certificates are let in."),
            _ => throw new SecurityMistakeException(
                $"A join secret (grpo.security.secret-file or {JoinSecret.Variable}) and certificates (grpo.security.certificate, grpo.security.authorities) "
                + "are both given, and nodes trust each other by one of the two: take the other away."),
        };
    }

    /// <summary>Null: the other end is a node of this cluster. Otherwise why it is not, as the end of a sentence.</summary>
    /// <param name="shown">What the other end has proved to hold; null: nothing.</param>
    public string? Refusal(X509Certificate2? shown, X509Chain? chain, SslPolicyErrors errors) =>
        shown is null ? "it shows no certificate" : objection(shown, chain, errors);
}
