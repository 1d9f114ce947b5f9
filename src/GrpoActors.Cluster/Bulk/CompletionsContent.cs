using System.Collections.Immutable;
using GrpoActors.Core.Completions;
using GrpoActors.Journal.Records;

namespace GrpoActors.Cluster.Bulk;

/// <summary>The completions of a group as one content of a store.</summary>
/// <remarks><code>version u8 | count i32 | each as in the journal</code></remarks>
internal static class CompletionsContent
{
    private const byte Version = 1;

    public static byte[] Encode(ImmutableArray<Completion> completions)
    {
        var to = new RecordWriter();
        to.Byte(Version);
        to.Array(completions, EventRecord.Write);
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

            ImmutableArray<Completion> completions = from.Array("completions", EventRecord.CompletionBytesMin, Read);
            from.End();
            return completions;
        }
        catch (JournalFormatException e)
        {
            throw new BulkException($"The completions of a group cannot be read: {e.Message}", e);
        }
    }

    private static Completion Read(ref RecordReader from)
    {
        Completion completion = EventRecord.Completion(ref from);
        return completion is { Index: >= 0, Tokens.Length: > 0 } ? completion : throw new BulkException(
            $"The completions of a group hold one with index {completion.Index} and {completion.Tokens.Length} tokens, and an index is at least 0, a completion at least one token long.");
    }
}
