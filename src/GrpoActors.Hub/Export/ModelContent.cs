using GrpoActors.Core;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;

namespace GrpoActors.Hub.Export;

/// <summary>What a model's folder is to hold.</summary>
/// <param name="Tensors">Float32.</param>
/// <param name="WeightsSha256">Of the tensors, as <see cref="ExportedModel"/> gives it.</param>
/// <param name="Step">Committed steps behind the weights; null for a model that was not trained here.</param>
/// <param name="Config">JSON of <c>config.json</c>; the type of the weights is filled in.</param>
/// <param name="ChatTemplatePath">A Jinja file that takes the place of the tokenizer's own template; null: that one stays.</param>
/// <param name="Card">Text of README.md; null: none.</param>
public sealed record ModelContent(
    IReadOnlyList<NamedTensor> Tensors, Digest WeightsSha256, long? Step, string Config, TokenizerSource Tokenizer, string? ChatTemplatePath = null,
    string? Card = null);

/// <summary>Where the tokenizer's files come from.</summary>
public abstract record TokenizerSource
{
    private TokenizerSource()
    {
    }

    /// <summary>Byte for byte those of a Hugging Face folder, with its chat template and <c>generation_config.json</c>.</summary>
    public sealed record FromFolder(string Folder) : TokenizerSource;

    /// <summary>Written anew.</summary>
    public sealed record FromDescription(TokenizerOptions Options) : TokenizerSource;
}
