using System.Collections.Concurrent;
using GrpoActors.Core;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Engine.Cpu;

/// <summary>Weights of a Hugging Face folder as version 0 of a policy.</summary>
public static class WeightFiles
{
    private const string HeadName = "lm_head.weight";

    // What writes tensors under these prefixes, and how they get their plain names.
    private static readonly (string Prefix, string Cause)[] Wrappings =
    [
        ("base_model.model.", "as PEFT writes them; merge the adapter into its base (merge_and_unload, then save_pretrained)"),
        ("_orig_mod.", "as torch.compile writes them; save the model that was compiled (model._orig_mod.save_pretrained)"),
        ("_fsdp_wrapped_module.", "as FSDP writes them; save the full state dict of the model inside"),
        ("module.", "as DistributedDataParallel and DeepSpeed write them; save the model inside (model.module.save_pretrained)"),
    ];

    /// <summary>
    /// Reads every tensor of the model, converted to float32. A tied head that the file holds all the same is left out where it is the embedding
    /// once more; so are tables that follow from the configuration.
    /// </summary>
    /// <exception cref="SafetensorsFormatException">A tensor is missing, of another shape, unknown or not finite, or a tied head is not the embedding.</exception>
    public static PolicyWeights Read(ITensorFiles files, ModelSpec spec)
    {
        var layout = new ModelLayout(spec);
        var weights = new ParameterSet(layout);
        IReadOnlyList<NamedTensor> tensors = weights.Named();
        using var converted = new BlockingCollection<NamedTensor>();
        // The hash takes as long as the conversion: each tensor is hashed while those after it are converted.
        Task<Digest> digest = Task.Run(() => WeightsDigest.OfOrdered(converted.GetConsumingEnumerable()));
        try
        {
            for (int i = 0; i < tensors.Count; i++)
            {
                Convert(files, layout.Tensors[i], tensors[i].Values.Span);
                converted.Add(tensors[i]);
            }

            RefuseUnknown(files, layout);
            RefuseOtherHead(files, layout, weights[layout.Embedding]);
        }
        finally
        {
            converted.CompleteAdding();
            digest.Wait();
        }

        return new PolicyWeights(new PolicyVersion(0), digest.Result, tensors, weights);
    }

    private static void Convert(ITensorFiles files, TensorLayout tensor, Span<float> values)
    {
        TensorEntry found = files.Find(tensor.Name)
            ?? throw new SafetensorsFormatException(
                files.Path, $"there is no tensor '{tensor.Name}', which the model's config.json calls for{Instead(files, tensor.Name)}.");
        if (!found.Shape.AsSpan().SequenceEqual(tensor.Shape))
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{tensor.Name}' has shape {found.ShapeText}, and the model's config.json calls for [{string.Join(", ", tensor.Shape)}].");
        }

        files.ReadFloat32(found, values);
        files.RefuseNotFinite(tensor.Name, values);
    }

    // Under which other name the tensor is there.
    private static string Instead(ITensorFiles files, string name)
    {
        if (files.Tensors.Select(tensor => tensor.Name).FirstOrDefault(found => found.EndsWith($".{name}", StringComparison.Ordinal)) is { } prefixed)
        {
            string prefix = prefixed[..^name.Length];
            string cause = Wrappings.FirstOrDefault(wrapping => prefix.Contains(wrapping.Prefix, StringComparison.Ordinal)).Cause
                ?? "which is another architecture's layout; save the model under its own names";
            return $"; its tensors are called '{prefix}...', {cause}";
        }

        string stem = name[..name.LastIndexOf('.')];
        bool Holds(string part) => files.Tensors.Any(tensor => tensor.Name.Contains(part, StringComparison.Ordinal));
        return Holds("lora_") || Holds(".base_layer.") ? $"; its tensors are {Wrappings[0].Cause}"
            : Holds($"{stem}.qweight") ? "; its weights are quantised, and such weights are not read: take the model that was not quantised"
            : "";
    }

    // transformers 5 does not tie two tensors that differ, whatever config.json says; here the user says which of them is meant.
    private static void RefuseOtherHead(ITensorFiles files, ModelLayout layout, ReadOnlySpan<float> embedding)
    {
        if (!layout.Spec.TiedHead || files.Find(HeadName) is not { } head)
        {
            return;
        }

        bool same = head.Shape.AsSpan().SequenceEqual(layout.Embedding.Shape);
        if (same)
        {
            using var buffer = new FloatBuffer();
            Span<float> values = buffer.AtLeast(embedding.Length);
            files.ReadFloat32(head, values);
            same = values.SequenceEqual(embedding);
        }

        if (!same)
        {
            throw new SafetensorsFormatException(
                files.Path, $"tensor '{HeadName}' is not the embedding, and config.json ties the two (tie_word_embeddings true); "
                + "set it to false to use the head of the file, or remove that tensor to use the embedding.");
        }
    }

    private static void RefuseUnknown(ITensorFiles files, ModelLayout layout)
    {
        ModelSpec spec = layout.Spec;
        var known = layout.Tensors.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        if (files.Tensors.FirstOrDefault(tensor => !known.Contains(tensor.Name) && !FollowsFromTheRest(tensor.Name, spec)) is { } unknown)
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{unknown.Name}' {unknown.ShapeText} is no part of a {spec.ModelType} model with this config.json; leaving it out would change the model.");
        }
    }

    private static bool FollowsFromTheRest(string name, ModelSpec spec)
        => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || (spec.TiedHead && name == HeadName);
}
