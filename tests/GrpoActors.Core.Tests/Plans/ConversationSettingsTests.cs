using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

public sealed class ConversationSettingsTests
{
    private const string Folder = """
        {
          "model": { "path": "folder", "chat": { "apply_to_prompts": true, "chat_template_kwargs": { "enable_thinking": false } } },
          "phases": [ { "name": "grpo", "kind": "grpo", "data": "rows.jsonl", "steps": 3, "max_completion_length": 32, "prompt_column": "question",
            "prompt_template": "{prompt}\nThink.", "overlong_prompts": "filter", "max_prompt_length": 20 } ],
          "rewards": [ { "name": "answer", "kind": "exact" } ],
        }
        """;

    [Fact]
    public void Template_and_variables_are_part_of_the_identity()
    {
        RunPlan plan = RunFiles.Read(Folder).PlanOrThrow();
        Assert.Equal(new ChatPlan(Digest.Of("template"), "{\"enable_thinking\":false}", ApplyToPrompts: true), plan.Identity.Model.Chat);
        RunPlan thinking = RunFiles.Read(Folder, ("model.chat.chat_template_kwargs.enable_thinking", "true")).PlanOrThrow();
        Assert.Equal(
            "model.chat.variables.enable_thinking was false and is now true",
            Assert.Single(PlanIdentity.Differences(PlanIdentity.CanonicalJson(plan.Identity), PlanIdentity.CanonicalJson(thinking.Identity))).ToString());
    }

    [Fact]
    public void A_model_with_a_template_has_its_hash_in_the_plan_even_where_nothing_is_said() =>
        Assert.Equal(new ChatPlan(Digest.Of("template"), "{}"), RunFiles.Read(Folder, ("model.chat", "null")).PlanOrThrow().Identity.Model.Chat);

    [Fact]
    public void How_rows_are_read_stands_in_the_plan()
    {
        DataPlan data = RunFiles.Read(Folder).PlanOrThrow().Identity.Phases[0].Data;
        Assert.Equal(new DataColumns("question", "answer", "{prompt}\nThink."), data.Columns);
        Assert.Equal((OverlongPrompts.Filter, 20), (data.Overlong, data.MaxPromptLength));
    }

    [Theory]
    [InlineData("model.chat.enable_thinking", "false", "model.chat.enable_thinking: is no setting. Settings here are apply_to_prompts, system, chat_template_kwargs, chat_template_path. [--set]")]
    [InlineData("phases.grpo.prompt_template", "Think.", "phases.grpo.prompt_template: is \"Think.\". Expected a text that holds {prompt}. [--set]")]
    [InlineData("phases.grpo.overlong_prompts", "cut", "phases.grpo.overlong_prompts: is \"cut\". Expected one of refuse, filter, truncate. [--set]")]
    public void A_wrong_setting_is_one_sentence(string key, string value, string expected) =>
        Assert.Equal(expected, Assert.Single(RunFiles.Read(Folder, (key, value)).Errors).ToString());

    [Fact]
    public void Settings_of_conversations_need_a_template() => Assert.Equal(
        "model.chat: is given, but the model has no chat template. Give chat.chat_template_path, or remove it. [--set]",
        RunFiles.Error("model.chat", "{\"apply_to_prompts\":true}"));
}
