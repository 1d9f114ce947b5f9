using System.Collections.Immutable;
using GrpoActors.Core;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Hub.Export;

/// <summary>How weights are written.</summary>
/// <param name="Type">F32 keeps every bit; the 16-bit types round to nearest.</param>
/// <param name="ShardBytesMax">Larger weights are cut into shards with an index.</param>
public sealed record ExportOptions(WeightType Type = WeightType.F32, long ShardBytesMax = ExportOptions.DefaultShardBytesMax)
{
    public const long DefaultShardBytesMax = 5_000_000_000;
}

/// <param name="Folder">Full path.</param>
/// <param name="Files">In ordinal order.</param>
/// <param name="Step">Committed steps behind the weights; null for a model that was not trained here.</param>
/// <param name="WeightsSha256">Of the weights in float32, as the run's result and checkpoints give it.</param>
public sealed record ExportedModel(string Folder, ImmutableArray<string> Files, long? Step, Digest WeightsSha256);
