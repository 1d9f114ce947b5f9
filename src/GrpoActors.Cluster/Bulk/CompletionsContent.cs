using System.Collections.Immutable;
using System.Runtime.InteropServices;
using GrpoActors.Core.Generation;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Bulk;

/// <summary>The completions of a group as one content of a store.</summary>
/// <remarks><code>version u8 | count i32 | each: index i32 | T i32 | tokens i32[T] | log-probs f32[T] | finish u8 | kept mass f32</code> little-endian.</remarks>
internal static class CompletionsContent
{
    private const byte Version = 1;

    // Index, count of tokens, finish, kept mass.
    private const int CompletionBytesMin = 4 + 4 + 1 + 4;

    public static byte[] Encode(ImmutableArray<Completion> completions)
    {
        var to = new RecordWriter();
        to.Byte(Version);
        to.Array(completions, Write);
        return to.ToArray();
    }

    /// <exception cref="BulkException">Anything but one whole content of a known version.</exception>
    public static ImmutableArray<Completion> Decode(ReadOnlySpan<byte> content)
    {
        try
        {
            var from = new RecordReader(content);
            byte version = from.Byte("version");
            if (version != Version)
            {
                throw new BulkException($"The completions of a group are written in version {version}, and this program reads version {Version}: run the same program on all nodes.");
            }

            ImmutableArray<Completion> completions = from.Array("completions", CompletionBytesMin, Read);
            from.End();
            return completions;
        }
        catch (JournalFormatException e)
        {
            throw new BulkException($"The completions of a group cannot be read: {e.Message}", e);
        }
    }

    private static void Write(RecordWriter to, Completion completion)
    {
        if (completion.Tokens.Length != completion.LogProbs.Length)
        {
            throw new ArgumentException($"Completion {completion.Index} has {completion.Tokens.Length} tokens and {completion.LogProbs.Length} log-probs.", nameof(completion));
        }

        to.Int32(completion.Index);
        to.Int32(completion.Tokens.Length);
        foreach (int token in completion.Tokens)
        {
            to.Int32(token);
        }

        foreach (float logProb in completion.LogProbs)
        {
            to.Single(logProb);
        }

        to.Byte((byte)completion.Finish);
        to.Single(completion.KeptMass);
    }

    private static Completion Read(ref RecordReader from)
    {
        int index = from.Int32("completion.index");
        int length = from.Count("completion.tokens", sizeof(int) + sizeof(float));
        if (index < 0 || length == 0)
        {
            throw new BulkException($"The completions of a group hold one with index {index} and {length} tokens, and an index is at least 0, a completion at least one token long.");
        }

        var tokens = new int[length];
        foreach (ref int token in tokens.AsSpan())
        {
            token = from.Int32("token");
        }

        var logProbs = new float[length];
        foreach (ref float logProb in logProbs.AsSpan())
        {
            logProb = from.Single("log-prob");
        }

        var finish = (FinishReason)from.Case((byte)FinishReason.Length, "completion.finish");
        return new Completion(index, ImmutableCollectionsMarshal.AsImmutableArray(tokens), ImmutableCollectionsMarshal.AsImmutableArray(logProbs), finish, from.Single("completion.kept mass"));
    }
}
