using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using GrpoActors.Formats.Files;

namespace GrpoActors.Cluster.Security;

/// <summary>The user's own certificates, as files.</summary>
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
                : throw new SecurityMistakeException(
                    $"The certificate {path} (grpo.security.certificate) holds no private key: give the PKCS #12 file with the key.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SecurityMistakeException($"The certificate {path} (grpo.security.certificate) cannot be read: {(DiskFailure.Is(e) ? DiskFailure.Reason(e) : "it is damaged, of another form, or its password is another")}.", e);
        }
    }

    /// <param name="path">PEM, one certificate or several.</param>
    /// <exception cref="SecurityMistakeException">It cannot be read, or holds none.</exception>
    public static X509Certificate2Collection LoadAuthorities(string path)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(path);
            return authorities.Count > 0
                ? authorities
                : throw new SecurityMistakeException($"The file {path} (grpo.security.authorities) holds no certificate in PEM.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SecurityMistakeException($"The certificates in {path} (grpo.security.authorities) cannot be read: {(DiskFailure.Is(e) ? DiskFailure.Reason(e) : "it is damaged, of another form, or its password is another")}.", e);
        }
    }

    /// <summary>Whether one of the authorities has signed the certificate, directly or through others that the peer sent along.</summary>
    public static bool IsSignedBy(X509Certificate2Collection authorities, X509Certificate2 certificate, X509Chain? sent)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        // A stranger's certificate names an address of the stranger's choice.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        foreach (X509ChainElement element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        return chain.Build(certificate);
    }

    private static string Password(string? variable, Func<string, string?> environment) => string.IsNullOrEmpty(variable)
        ? ""
        : environment(variable)
            ?? throw new SecurityMistakeException($"The environment variable {variable} (grpo.security.certificate-password-env) is not set.");
}
