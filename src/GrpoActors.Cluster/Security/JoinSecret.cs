using System.Security.Cryptography;
using System.Text;
using GrpoActors.Formats.Files;

namespace GrpoActors.Cluster.Security;

/// <summary>A mistake in how the nodes are to trust each other. The message is one sentence with the way out.</summary>
internal sealed class SecurityMistakeException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The secret that every node of a cluster shares; <see cref="SecretCertificate"/> is made from it.</summary>
/// <remarks>
/// It never leaves the process. The public key that is derived from it does, so guesses can be tried against that key off line: the secret must be random,
/// not a password.
/// </remarks>
internal sealed class JoinSecret
{
    public const string Variable = "GRPO_CLUSTER_SECRET";
    public const int BytesMin = 16;

    private readonly byte[] secret;

    private JoinSecret(byte[] secret) => this.secret = secret;

    /// <exception cref="SecurityMistakeException">Fewer than <see cref="BytesMin"/> bytes.</exception>
    /// <param name="source">Where the secret stands, for the message.</param>
    public static JoinSecret Of(ReadOnlySpan<byte> secret, string source) => secret.Length >= BytesMin
        ? new JoinSecret(secret.ToArray())
        : throw new SecurityMistakeException(
            $"The join secret in {source} has {secret.Length} bytes, and fewer than {BytesMin} can be guessed: make one with 'openssl rand -base64 32'.");

    /// <summary>
    /// From the file, or else from the environment variable <see cref="Variable"/>; null where neither is given. White space at the end is no part of it.
    /// </summary>
    /// <exception cref="SecurityMistakeException">The file cannot be read, or the secret is too short.</exception>
    public static JoinSecret? Read(string? file, Func<string, string?> environment)
    {
        if (!string.IsNullOrEmpty(file))
        {
            try
            {
                return Of(File.ReadAllBytes(file).AsSpan().TrimEnd(" \t\r\n"u8), file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new SecurityMistakeException($"The join secret cannot be read from {file} (grpo.security.secret-file): {DiskFailure.Reason(e)}.", e);
            }
        }

        return environment(Variable) is { Length: > 0 } text ? Of(Encoding.UTF8.GetBytes(text.TrimEnd()), $"the environment variable {Variable}") : null;
    }

    /// <summary>HKDF-SHA256 (RFC 5869) without salt; outputs for two purposes say nothing about each other.</summary>
    public byte[] Derive(string purpose, int bytes) => HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, bytes, salt: null, Encoding.UTF8.GetBytes(purpose));
}
