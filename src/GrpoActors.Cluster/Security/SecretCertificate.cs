using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace GrpoActors.Cluster.Security;

/// <summary>The certificate that a node makes for itself from the join secret.</summary>
/// <remarks>
/// Every process derives the same P-256 key, so it knows the public key that the others must prove to hold: that key is pinned. The certificate around it
/// is only what TLS carries a key in; each process signs its own, and as ECDSA signatures are random no two are the same bytes.
/// </remarks>
internal static class SecretCertificate
{
    // FIPS 186-5, A.2.1: with 64 bits more than the order has, the remainder is as good as uniform.
    private const int SeedBytes = 40;
    private const int ScalarBytes = 32;

    // Never compared with a clock: the pin alone decides, and clocks of nodes may differ.
    private static readonly DateTimeOffset NotBefore = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), NotAfter = new(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <summary>Of the curve P-256.</summary>
    private static readonly BigInteger Order = new(
        Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"), isUnsigned: true, isBigEndian: true);

    public static X509Certificate2 Of(JoinSecret secret)
    {
        using ECDsa key = KeyOf(secret);
        var request = new CertificateRequest("CN=grpo node", key, HashAlgorithmName.SHA256);
        using X509Certificate2 signed = request.CreateSelfSigned(NotBefore, NotAfter);
        // Windows' TLS takes no key that exists in memory alone.
        return X509CertificateLoader.LoadPkcs12(signed.Export(X509ContentType.Pkcs12), password: null);
    }

    /// <summary>Whether a certificate holds the same public key as this node's own.</summary>
    public static bool IsPinned(X509Certificate2 own, X509Certificate2 shown) =>
        CryptographicOperations.FixedTimeEquals(own.PublicKey.ExportSubjectPublicKeyInfo(), shown.PublicKey.ExportSubjectPublicKeyInfo());

    private static ECDsa KeyOf(JoinSecret secret)
    {
        byte[] seed = secret.Derive("grpo node certificate 1", SeedBytes);
        BigInteger scalar = (new BigInteger(seed, isUnsigned: true, isBigEndian: true) % (Order - 1)) + 1;
        byte[] digits = scalar.ToByteArray(isUnsigned: true, isBigEndian: true), d = new byte[ScalarBytes];
        digits.CopyTo(d, ScalarBytes - digits.Length);
        return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = d });
    }
}
