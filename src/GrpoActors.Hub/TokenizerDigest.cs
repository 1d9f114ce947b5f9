using System.Security.Cryptography;
using System.Text;
using GrpoActors.Core;
using GrpoActors.Text;

namespace GrpoActors.Hub;

/// <summary>
/// What a run's identity knows of its tokenizer: the SHA-256 of <c>tokenizer.json</c>, followed by the tokens that only files beside it declare, where there
/// are any.
/// </summary>
public static class TokenizerDigest
{
    public static Digest Of(string folder, ITokenizer tokenizer)
    {
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha256.AppendData(File.ReadAllBytes(Path.Combine(folder, "tokenizer.json")));
        foreach (AddedToken token in tokenizer.AddedTokens.Where(token => token.Declared))
        {
            string flags = $"{token.Special} {token.SingleWord} {token.LeftStrip} {token.RightStrip} {token.Normalized}";
            sha256.AppendData(Encoding.UTF8.GetBytes($"\n{token.Id} {flags} {token.Content}"));
        }

        return Digest.FromBytes(sha256.GetHashAndReset());
    }
}
