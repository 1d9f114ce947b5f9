using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GrpoActors.Cluster.Security;

/// <summary>The user's certificates: this node's own, and who is believed about the others.</summary>
internal static class NodeCertificates
{
    /// <param name="path">PKCS #12 with the private key.</param>
    /// <param name="passwordVariable">The environment variable that holds its password; empty: it has none.</param>
    /// <exception cref="SecurityMistakeException">It cannot be read, or holds no private key.</exception>
    public static X509Certificate2 Load(string path, string? passwordVariable, Func<string, string?> environment)
    {
        try
        {
            X509Certificate2 certificate = X509CertificateLoader.LoadPkcs12FromFile(path, Password(passwordVariable, environment));
            return certificate.HasPrivateKey
                ? certificate
                : throw new SecurityMistakeException($"The certificate {path} (grpo.security.certificate) holds no private key: give the PKCS #12 file with the key.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SecurityMistakeException($"The certificate {path} (grpo.security.certificate) cannot be read: {e.Message}", e);
        }
    }

    /// <exception cref="SecurityMistakeException">The variable is named and not set.</exception>
    public static string Password(string? variable, Func<string, string?> environment) => string.IsNullOrEmpty(variable)
        ? ""
        : environment(variable) ?? throw new SecurityMistakeException($"The environment variable {variable} (grpo.security.certificate-password-env) is not set.");

    /// <param name="path">PEM, one certificate or several.</param>
    /// <exception cref="SecurityMistakeException">It cannot be read, or holds none.</exception>
    public static X509Certificate2Collection LoadAuthorities(string path)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(path);
            return authorities.Count > 0 ? authorities : throw new SecurityMistakeException($"The file {path} (grpo.security.authorities) holds no certificate in PEM.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SecurityMistakeException($"The certificates in {path} (grpo.security.authorities) cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Whether a node's certificate is believed.</summary>
    /// <param name="authorities">Null: those that the machine trusts.</param>
    public static bool Trusted(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, X509Certificate2Collection? authorities, bool checkHostName)
    {
        if (certificate is null || (checkHostName && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)))
        {
            return false;
        }

        if (authorities is null)
        {
            return !errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors);
        }

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(authorities);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (X509ChainElement sent in chain?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            own.ChainPolicy.ExtraStore.Add(sent.Certificate);
        }

        return own.Build(certificate);
    }
}
