namespace GrpoActors.Engine.Sampling;

/// <summary>What every sampler asks of its prompts.</summary>
internal static class SampleChecks
{
    /// <exception cref="ArgumentException">A prompt is empty, too long or not of the vocabulary, or the temperature is not above 0.</exception>
    public static void Check(ModelSpec spec, IReadOnlyList<SamplePrompt> prompts, SampleSettings settings)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(settings.MaxCompletionLength, 1);
        if (!(settings.Plan.Temperature > 0))
        {
            throw new ArgumentException($"The temperature is {settings.Plan.Temperature}; it must be above 0. For the most probable token sample greedily.");
        }

        for (int i = 0; i < prompts.Count; i++)
        {
            int[] tokens = prompts[i].Tokens;
            if (tokens.Length == 0)
            {
                throw new ArgumentException($"Prompt {i} has no tokens; at least one is needed.");
            }

            if (tokens.Length + settings.MaxCompletionLength > spec.ContextLength)
            {
                throw new ArgumentException(
                    $"Prompt {i} has {tokens.Length} tokens and may be followed by {settings.MaxCompletionLength}; the model's context holds {spec.ContextLength}.");
            }

            foreach (int token in tokens)
            {
                if ((uint)token >= (uint)spec.VocabularySize)
                {
                    throw new ArgumentException($"Prompt {i} holds token {token}; the model's vocabulary has ids 0 to {spec.VocabularySize - 1}.");
                }
            }
        }
    }
}
