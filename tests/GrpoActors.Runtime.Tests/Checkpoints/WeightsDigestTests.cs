using System.Security.Cryptography;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using Xunit;

namespace GrpoActors.Runtime.Tests.Checkpoints;

public sealed class WeightsDigestTests
{
    [Fact]
    public void The_hash_covers_name_zero_byte_dimensions_and_values_in_ordinal_order_of_names()
    {
        byte[] bytes =
        [
            (byte)'B', 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3F,                                    // B, [1], 1.0
            (byte)'a', 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0x3F, // a, [1, 2], -2.0 0.5
        ];
        NamedTensor[] tensors = [new("a", [1, 2], new[] { -2f, 0.5f }), new("B", [1], new[] { 1f })];
        Assert.Equal(Digest.FromBytes(SHA256.HashData(bytes)), WeightsDigest.Of(tensors));
        Assert.Equal(Digest.FromBytes(SHA256.HashData([.. bytes, 5, 0, 0, 0, 0, 0, 0, 0])), WeightsDigest.OfOptimizer(new TrainerState([], tensors, 5, null)));
    }

    [Fact]
    public void The_order_in_which_tensors_are_handed_over_does_not_matter()
    {
        NamedTensor[] tensors = [new("x", [1], new[] { 1f }), new("y", [1], new[] { 2f }), new("x.m", [1], new[] { 3f })];
        Assert.Equal(WeightsDigest.Of(tensors), WeightsDigest.Of(tensors.Reverse()));
    }
}
