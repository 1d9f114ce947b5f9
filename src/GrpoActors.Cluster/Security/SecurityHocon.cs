using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote.Transport.DotNetty;

namespace GrpoActors.Cluster.Security;

/// <summary>
/// What makes an actor system's remoting as secure as its node is to be: HOCON, and setups for what must not stand in HOCON, which is written to logs.
/// </summary>
internal static class SecurityHocon
{
    /// <summary>To lie over everything else.</summary>
    /// <param name="host">What remoting is bound to.</param>
    /// <exception cref="SecurityMistakeException">Open to other machines, and plain.</exception>
    public static Config For(NodeSecurity security, string host)
    {
        Binding.RequireTls(host, security);
        bool tls = security.Certificate is not null;
        // Without a space: Akka.Remote reads this value back with the quotes that HOCON puts around one.
        string provider = $"{typeof(PreflightTransportProvider).FullName},{typeof(PreflightTransportProvider).Assembly.GetName().Name}";
        return ConfigurationFactory.ParseString($$"""
            akka.remote {
              adapters.preflight = "{{provider}}"
              dot-netty.tcp {
                applied-adapters = [{{(tls ? "preflight" : "")}}]
                enable-ssl = {{(tls ? "on" : "off")}}
              }
            }
            """);
    }

    /// <summary>The certificate, and what is believed of the other end's; none where remoting is plain.</summary>
    public static IReadOnlyList<Setup> Setups(NodeSecurity security) => security.Certificate is not { } certificate ? [] :
    [
        new NodeSecuritySetup(security),
        new DotNettySslSetup(
            certificate, suppressValidation: false, requireMutualAuthentication: true, validateCertificateHostname: false, // the validator does
            customValidator: (shown, chain, peer, errors, log) => Believed(security.Refusal(shown, chain, errors), peer, log)),
    ];

    /// <summary>Only here is the reason known: Akka says afterwards that something was not believed.</summary>
    private static bool Believed(string? refusal, string peer, ILoggingAdapter log)
    {
        if (refusal is not null)
        {
            log.Warning("Not believed: {0}: {1}", peer, refusal);
        }

        return refusal is null;
    }
}
