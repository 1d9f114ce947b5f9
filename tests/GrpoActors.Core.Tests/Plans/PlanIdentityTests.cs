using System.Text.Json.Nodes;
using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

public sealed class PlanIdentityTests
{
    private static RunPlan Plan(params (string Key, string Value)[] sets) => RunFiles.Read(sets).PlanOrThrow();

    [Fact]
    public void The_same_settings_give_the_same_digest_wherever_the_files_lie()
    {
        RunPlan moved = RunOptions.Parse(RunFiles.Small, "elsewhere/other.json").ToPlan(new KnownFacts()).PlanOrThrow();
        Assert.Equal(PlanIdentity.IdentityDigest(Plan().Identity), PlanIdentity.IdentityDigest(moved.Identity));
        Assert.DoesNotContain("jsonl", PlanIdentity.CanonicalJson(moved.Identity));
    }

    [Fact]
    public void Operation_is_no_part_of_the_identity() =>
        Assert.Equal(PlanIdentity.IdentityDigest(Plan().Identity), PlanIdentity.IdentityDigest(Plan(("generators", "8"), ("threads", "2"), ("save_steps", "1")).Identity));

    [Fact]
    public void Everything_else_is_and_the_differing_keys_are_named()
    {
        string before = PlanIdentity.CanonicalJson(Plan().Identity);
        string after = PlanIdentity.CanonicalJson(Plan(("phases.grpo.steps", "4"), ("rewards.format.weight", "0.2"), ("model.config.hidden_size", "64")).Identity);
        Assert.Equal(
            [
                "model.config.hidden_size was 32 and is now 64",
                "phases.grpo.steps was 3 and is now 4",
                "rewards.format.weight was 0.1 and is now 0.2",
            ],
            PlanIdentity.Differences(before, after).Select(difference => difference.ToString()));
        Assert.Empty(PlanIdentity.Differences(before, before));
    }

    [Fact]
    public void Keys_are_sorted_and_numbers_have_one_form()
    {
        string json = PlanIdentity.CanonicalJson(Plan().Identity);
        AssertSorted(JsonNode.Parse(json)!);
        Assert.Equal(json, PlanIdentity.CanonicalJson(Plan(("phases.sft.learning_rate", "0.001")).Identity));
    }

    [Fact]
    public void The_canonical_form_does_not_change_by_accident()
    {
        // A new digest refuses every run folder that exists: raise it knowingly.
        string json = PlanIdentity.CanonicalJson(Plan().Identity);
        Assert.StartsWith("{\"engine\":\"cpu\",\"evaluation\":{\"data\":{\"columns\":{\"answer\":\"answer\",\"prompt\":\"prompt\",\"template\":\"{prompt}\"},\"max_prompt_length\":96,\"overlong\":\"refuse\",\"rows\":100,\"sha256\":\"", json);
    }

    [Fact]
    public void A_plan_survives_its_file()
    {
        PlanResult result = RunFiles.Read(("generators", "3"));
        RunPlan plan = result.PlanOrThrow();
        RunPlan read = PlanIdentity.Parse(PlanIdentity.PlanJson(plan, result.Values));
        Assert.Equal(PlanIdentity.CanonicalJson(plan.Identity), PlanIdentity.CanonicalJson(read.Identity));
        Assert.Equal(plan.Operation, read.Operation);
        Assert.Equal(plan.Identity.Phases[1].Data, read.Identity.Phases[1].Data);
        Assert.Equal(plan.Identity.Model.Config, read.Identity.Model.Config);
    }

    [Fact]
    public void What_differs_bears_the_names_of_the_settings_and_else_those_of_the_identity()
    {
        PlanResult before = RunFiles.Read(), after = RunFiles.Read(("phases.grpo.learning_rate", "0.5"), ("generators", "3"));
        string planJson = PlanIdentity.PlanJson(before.PlanOrThrow(), before.Values);
        IdentityDifference changed = Assert.Single(PlanIdentity.Differences(planJson, after.PlanOrThrow().Identity, after.Values));
        Assert.Equal(("phases.grpo.learning_rate", "0.5"), (changed.Key, changed.After));
        RunIdentity identity = before.PlanOrThrow().Identity;
        Assert.Equal("numerics_revision", Assert.Single(PlanIdentity.Differences(planJson, identity with { NumericsRevision = "other" }, before.Values)).Key);
        Assert.Empty(PlanIdentity.Differences(planJson, identity, before.Values));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"identity\": 3, \"operation\": {}}")]
    public void A_damaged_plan_file_is_one_sentence(string json) => Assert.Throws<InvalidDataException>(() => PlanIdentity.Parse(json));

    private static void AssertSorted(JsonNode node)
    {
        if (node is JsonObject map)
        {
            Assert.Equal(map.Select(pair => pair.Key).Order(StringComparer.Ordinal), map.Select(pair => pair.Key));
        }

        foreach (JsonNode? child in node is JsonObject members ? members.Select(pair => pair.Value) : node is JsonArray list ? list : [])
        {
            if (child is not null)
            {
                AssertSorted(child);
            }
        }
    }
}
