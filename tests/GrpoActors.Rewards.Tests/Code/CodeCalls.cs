using System.Collections.Immutable;
using System.Text.Json;

namespace GrpoActors.Rewards.Tests.Code;

/// <summary>Calls of the reward of kind code.</summary>
internal static class CodeCalls
{
    public static async Task<float?> Score(string settings, string tests, string code, string[]? command = null)
    {
        string all = command is null ? settings : $"{settings[..^1]}, \"command\": {JsonSerializer.Serialize(command)}}}";
        return await Make(all).ScoreAsync(Input(code, tests), CancellationToken.None);
    }

    public static IReward Make(string settings)
    {
        RewardMade made = RewardRegistry.BuiltIn.Make("code", settings);
        Assert.Empty(made.Errors);
        return made.Reward!;
    }

    public static RewardInput Input(string code, string tests)
    {
        using JsonDocument json = JsonDocument.Parse(tests);
        return new("", $"So:\n```python\n{code}\n```\n", null, ImmutableSortedDictionary<string, JsonElement>.Empty.Add("tests", json.RootElement.Clone()), 1, false);
    }
}
