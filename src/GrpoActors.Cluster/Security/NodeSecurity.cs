using System.Security.Cryptography.X509Certificates;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote.Transport.DotNetty;

namespace GrpoActors.Cluster.Security;

/// <summary>A node's <c>grpo.security</c>, read and checked.</summary>
/// <param name="Secret">Null: the node is for this machine alone.</param>
/// <param name="Certificate">With its private key, for remoting and HTTP alike; null: no TLS.</param>
/// <param name="Authorities">Who may have signed the other nodes' certificates; null: whoever the machine trusts.</param>
/// <param name="CheckHostName">Whether another node's certificate must also name the host that was called.</param>
internal sealed record NodeSecurity(JoinSecret? Secret, X509Certificate2? Certificate, X509Certificate2Collection? Authorities, bool CheckHostName)
{
    /// <exception cref="SecurityMistakeException">Something cannot be read or is too weak.</exception>
    public static NodeSecurity Read(Config config, Func<string, string?> environment)
    {
        string certificate = config.GetString("grpo.security.certificate", ""), authorities = config.GetString("grpo.security.authorities", "");
        return new NodeSecurity(
            JoinSecret.Read(config.GetString("grpo.security.secret-file", ""), environment),
            certificate.Length > 0 ? NodeCertificates.Load(certificate, config.GetString("grpo.security.certificate-password-env", ""), environment) : null,
            authorities.Length > 0 ? NodeCertificates.LoadAuthorities(authorities) : null,
            config.GetBoolean("grpo.security.check-host-name", true));
    }
}

/// <summary>What makes an actor system's remoting as secure as its node is to be: HOCON, and a setup for what must not stand in HOCON.</summary>
internal static class SecurityHocon
{
    /// <summary>The scheme of the addresses of a cluster's nodes: <c>akka.tcp</c>, or <c>akka.ssl.tcp</c> with TLS.</summary>
    public static string Scheme(NodeSecurity security) => security.Certificate is null ? "akka.tcp" : "akka.ssl.tcp";

    /// <summary>To lie over everything else.</summary>
    /// <param name="host">What remoting is bound to.</param>
    /// <exception cref="SecurityMistakeException">Open to other machines and without a secret.</exception>
    public static Config For(NodeSecurity security, string host)
    {
        Binding.RequireSecret(host, security.Secret);
        // Without a space: Akka.Remote reads this value back with the quotes that HOCON puts around one.
        string provider = $"{typeof(AuthenticatedTransportProvider).FullName},{typeof(AuthenticatedTransportProvider).Assembly.GetName().Name}";
        return ConfigurationFactory.ParseString($$"""
            akka.remote {
              adapters.grpo = "{{provider}}"
              dot-netty.tcp {
                applied-adapters = [{{(security.Secret is null ? "" : "\"grpo\"")}}]
                enable-ssl = {{(security.Certificate is null ? "false" : "true")}}
              }
            }
            """);
    }

    /// <summary>The secret, the certificate, and that a stranger's rubbish is logged once.</summary>
    public static ActorSystemSetup Setup(NodeSecurity security)
    {
        ActorSystemSetup setup = ActorSystemSetup.Create(new LogFilterSetup([new TransportLogFilter()]));
        if (security.Secret is { } secret)
        {
            setup = setup.WithSetup(new JoinSecretSetup(secret));
        }

        return security.Certificate is { } certificate ? setup.WithSetup(Tls(certificate, security)) : setup;
    }

    // Both ends show a certificate, and both look at the other's as the HTTP client does.
    private static DotNettySslSetup Tls(X509Certificate2 certificate, NodeSecurity security) => new(
        certificate,
        suppressValidation: false,
        requireMutualAuthentication: true,
        validateCertificateHostname: security.CheckHostName,
        customValidator: (shown, chain, _, errors, _) => NodeCertificates.Trusted(shown, chain, errors, security.Authorities, security.CheckHostName));
}
