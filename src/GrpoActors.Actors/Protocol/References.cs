using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Core.Completions;

namespace GrpoActors.Actors.Protocol;

/// <summary>A content that a node serves: bytes too large for a message, by their hash and where they can be had.</summary>
internal sealed record ContentRef(Uri At, Digest Sha256, long LengthBytes);

/// <summary>A version's weights.</summary>
/// <param name="Served">Where; null: they lie in this process, in its <see cref="Runtime.Workers.WeightStore"/>.</param>
internal sealed record WeightsRef(PolicyVersion Version, ServedWeights? Served = null);

/// <param name="Policy">Digest of the version, as the journal knows it.</param>
/// <param name="Content">Its hash is of the bytes that are served.</param>
internal sealed record ServedWeights(Digest Policy, ContentRef Content);

/// <summary>The completions of a group: by reference inside a process, as a content that is fetched between nodes.</summary>
internal abstract record CompletionsRef
{
    private CompletionsRef()
    {
    }

    internal sealed record InProcess(ImmutableArray<Completion> Completions) : CompletionsRef;

    internal sealed record Served(ContentRef Content) : CompletionsRef;
}
