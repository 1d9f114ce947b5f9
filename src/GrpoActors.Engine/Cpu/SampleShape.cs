namespace GrpoActors.Engine.Cpu;

/// <summary>What a sampler is asked at once.</summary>
public sealed record SampleShape(int Prompts, int Completions, int PromptTokens, int CompletionTokens);
