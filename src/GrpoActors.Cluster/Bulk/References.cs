using GrpoActors.Core;

namespace GrpoActors.Cluster.Bulk;

/// <summary>Something too large for a message, by its hash and where it can be had.</summary>
internal sealed record ContentRef(Uri At, Digest Sha256, long LengthBytes);

/// <summary>A version's weights on the trainer's node.</summary>
/// <param name="Policy">Digest of the version, as the journal knows it.</param>
/// <param name="Sha256">Of the bytes that are served.</param>
internal sealed record WeightsRef(PolicyVersion Version, Digest Policy, Digest Sha256, long LengthBytes, Uri At);
