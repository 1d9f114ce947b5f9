using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace GrpoActors.Cluster.Security;

/// <summary>Proves that a request comes from a node that has the join secret.</summary>
/// <remarks>
/// <code>Authorization: Grpo 1789000000.9f86d081…    unix time in seconds . HMAC-SHA256(key, method LF path LF unix time), 64 lower-case hexadecimal digits</code>
/// All requests read and none changes anything, so one that is repeated within the window gives nothing that its first answer did not; against listening there is TLS.
/// </remarks>
internal sealed class RequestSignature(JoinSecret secret, TimeProvider time)
{
    public const string Scheme = "Grpo";

    /// <summary>How far the clocks of two nodes may differ.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(2);

    private readonly byte[] key = secret.KeyFor("grpo http 1");

    /// <param name="path">As it is sent, without the query.</param>
    public AuthenticationHeaderValue Sign(string method, string path)
    {
        string now = time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return new AuthenticationHeaderValue(Scheme, $"{now}.{Convert.ToHexStringLower(Tag(method, path, now))}");
    }

    /// <summary>Null if the request is good; otherwise why it is not.</summary>
    /// <param name="authorization">The header's value, if there is one.</param>
    public string? Refusal(string method, string path, string? authorization)
    {
        if (string.IsNullOrEmpty(authorization))
        {
            return "it carries no authorization";
        }

        Span<byte> tag = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (!AuthenticationHeaderValue.TryParse(authorization, out AuthenticationHeaderValue? header) || header.Scheme != Scheme
            || header.Parameter?.Split('.') is not [string sent, { Length: 2 * HMACSHA256.HashSizeInBytes } hex]
            || !long.TryParse(sent, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            || Convert.FromHexString(hex, tag, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return $"its authorization has another form than '{Scheme} time.tag'";
        }

        // The tag first: whoever lacks the secret does not learn what the clock of this node says.
        if (!CryptographicOperations.FixedTimeEquals(tag, Tag(method, path, sent)))
        {
            return "its authorization was made with another secret, or for another request";
        }

        double apart = Math.Abs((double)time.GetUtcNow().ToUnixTimeSeconds() - seconds);
        return apart <= Tolerance.TotalSeconds
            ? null
            : $"its authorization is {apart} s old or early, and {Tolerance.TotalSeconds} s are allowed: set the clocks of both nodes";
    }

    private byte[] Tag(string method, string path, string time) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{method}\n{path}\n{time}"));
}
