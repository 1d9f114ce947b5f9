using System.Collections.Concurrent;
using GrpoActors.Core;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Engine.Cpu;

/// <summary>Weights of a Hugging Face folder as version 0 of a policy.</summary>
public static class WeightFiles
{
    /// <summary>Reads every tensor of the model, converted to float32. A tied head that the file holds all the same is left out; so are tables that follow from the configuration.</summary>
    /// <exception cref="SafetensorsFormatException">A tensor is missing, of another shape, unknown, or holds NaN or infinity.</exception>
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
            ?? throw new SafetensorsFormatException(files.Path, $"there is no tensor '{tensor.Name}', which the model's config.json calls for.");
        if (!found.Shape.AsSpan().SequenceEqual(tensor.Shape))
        {
            throw new SafetensorsFormatException(files.Path, $"tensor '{tensor.Name}' has shape {found.ShapeText}, and the model's config.json calls for [{string.Join(", ", tensor.Shape)}].");
        }

        files.ReadFloat32(found, values);
        files.RefuseNotFinite(tensor.Name, values);
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
        => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || (spec.TiedHead && name == "lm_head.weight");
}
