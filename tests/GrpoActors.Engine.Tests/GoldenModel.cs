using System.Buffers.Binary;
using System.Text.Json;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Engine.Tests;

/// <summary>A tiny Hugging Face folder and what PyTorch made of it.</summary>
public sealed class GoldenModel : IDisposable
{
    public static readonly string[] Names = ["llama", "llama-tied", "llama3-rope", "qwen2", "qwen3", "mistral"];

    private readonly SafetensorsFile _golden;

    public GoldenModel(string name)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "Fixtures", name);
        Spec = ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder));
        using (var files = SafetensorsFolder.Open(folder))
        {
            Weights = WeightFiles.Read(files, Spec);
        }

        _golden = SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors"));
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")));
        PromptLengths = [.. json.RootElement.GetProperty("prompt_lengths").EnumerateArray().Select(length => length.GetInt32())];
        GradNorm = json.RootElement.GetProperty("grad_norm").GetDouble();
    }

    public ModelSpec Spec { get; }

    public PolicyWeights Weights { get; }

    public int[] PromptLengths { get; }

    public double GradNorm { get; }

    /// <summary>The four golden sequences, packed.</summary>
    public PackedBatch Batch => Packed(Enumerable.Range(0, PromptLengths.Length));

    /// <summary>Coefficients of all four, divided by the number of completion tokens.</summary>
    public float[] Coefficients
    {
        get
        {
            double[] all = [.. Enumerable.Range(0, PromptLengths.Length).SelectMany(i => Doubles($"coefficient.{i}"))];
            return [.. all.Select(coefficient => (float)(coefficient / all.Length))];
        }
    }

    public PackedBatch Packed(IEnumerable<int> sequences)
    {
        int[][] ids = [.. sequences.Select(i => Ids($"ids.{i}"))];
        int[] offsets = new int[ids.Length + 1];
        for (int i = 0; i < ids.Length; i++)
        {
            offsets[i + 1] = offsets[i] + ids[i].Length;
        }

        return new PackedBatch([.. ids.SelectMany(x => x)], offsets, [.. sequences.Select(i => PromptLengths[i])]);
    }

    public int[] Ids(string name)
    {
        ReadOnlySpan<byte> bytes = _golden.Bytes(_golden.Find(name)!);
        int[] ids = new int[bytes.Length / sizeof(long)];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes[(i * sizeof(long))..]);
        }

        return ids;
    }

    public double[] Doubles(string name)
    {
        ReadOnlySpan<byte> bytes = _golden.Bytes(_golden.Find(name)!);
        double[] values = new double[bytes.Length / sizeof(double)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadDoubleLittleEndian(bytes[(i * sizeof(double))..]);
        }

        return values;
    }

    public float[] Floats(string name)
    {
        TensorEntry tensor = _golden.Find(name)!;
        float[] values = new float[tensor.Elements];
        _golden.ReadFloat32(tensor, values);
        return values;
    }

    public void Dispose() => _golden.Dispose();
}
