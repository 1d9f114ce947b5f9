using Xunit;

namespace GrpoActors.Core.Tests;

/// <summary>Test vectors of every random number of a run, calculated apart from this program with SHA-256 and Random123's philox4x32-10.</summary>
public sealed class SeedTreeTests
{
    [Theory]
    [InlineData(0ul, SeedPurpose.Initialisation, 0, 0x9ade64533c2bdb25ul)]
    [InlineData(1ul, SeedPurpose.PromptOrder, 0, 0xb3c0899b1eeed988ul)]
    [InlineData(1ul, SeedPurpose.Sampling, 1, 0x1c422831f0f33511ul)]
    [InlineData(42ul, SeedPurpose.Evaluation, 0, 0x074e364f842a7963ul)]
    [InlineData(ulong.MaxValue, SeedPurpose.BatchOrder, 1, 0x2628df64dbcd3fa6ul)]
    public void A_key_is_the_first_64_bits_of_a_hash_of_seed_purpose_and_phase(ulong seed, SeedPurpose purpose, int phase, ulong key) =>
        Assert.Equal(key, new SeedTree(seed).Key(purpose, phase));

    [Theory]
    [InlineData(0, GroupStream.Primary, 0, 0, 10162401)]
    [InlineData(0, GroupStream.Primary, 7, 15, 4704271)]
    [InlineData(0, GroupStream.Refill, 0, 0, 5193393)]
    [InlineData((1L << 33) + 5, GroupStream.Primary, 3, 2, 6142976)]
    public void A_token_is_drawn_by_a_function_of_group_completion_and_position(long ordinal, GroupStream stream, uint completion, uint position, int times2To24) =>
        Assert.Equal(times2To24 / 16777216f, new SeedTree(1).Sampling(new GroupId(1, stream, ordinal)).Uniform(completion, position));

    [Fact]
    public void An_evaluation_problem_has_a_stream_of_its_own() =>
        Assert.Equal(9525926 / 16777216f, new SeedTree(42).Evaluation(0, 399, 0).Uniform(11, 0));
}
