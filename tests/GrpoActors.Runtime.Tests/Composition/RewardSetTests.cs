using System.Collections.Immutable;
using System.Text.Json;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Plans;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Tests.Audit;
using GrpoActors.Text;
using Xunit;

namespace GrpoActors.Runtime.Tests.Composition;

public sealed class RewardSetTests
{
    [Fact]
    public async Task A_reward_sees_special_tokens_where_it_asks_for_them_and_always_their_ids()
    {
        RunIdentity plan = RecordedRun.Plan();
        plan = plan with { Rewards = plan.Rewards.SetItem(1, plan.Rewards[1] with { ShowsSpecialTokens = true }) };
        var seen = new List<string>();
        IReward[] rewards = [.. plan.Rewards.Select(reward => new DelegateReward(reward.Name, 1, input =>
        {
            seen.Add($"{input.Completion} {string.Join(' ', input.CompletionIds)}");
            return 1;
        }))];
        using var set = new RewardSet(plan, [.. rewards], new Letters());
        var row = new PromptRow("p", [1], [], null, ImmutableSortedDictionary<string, JsonElement>.Empty);
        for (int k = 0; k < 2; k++)
        {
            await set.Score(k, row, new Completion(0, [10, 0, 11, 0], [-1, -1, -1, -1], FinishReason.Eos), TimeProvider.System, CancellationToken.None);
        }

        Assert.Equal(["kl 10 0 11 0", "k<s>l<s> 10 0 11 0"], seen);
    }

    /// <summary>a is 0; 0 is the only special token.</summary>
    private sealed class Letters : ITokenizer
    {
        public int VocabularySize => 26;

        public IReadOnlyList<AddedToken> AddedTokens => [];

        public int[] Encode(string text, bool addSpecialTokens = false) => throw new NotSupportedException();

        public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false) =>
            string.Concat(ids.ToArray().Select(id => id > 0 ? ((char)('a' + id)).ToString() : skipSpecialTokens ? "" : "<s>"));

        public int? TokenId(string token) => null;

        public string? Token(int id) => null;

        public IStreamingDecoder Stream(bool skipSpecialTokens = false) => throw new NotSupportedException();
    }
}
