using System.Globalization;
using System.Text;
using System.Text.Json;
using GrpoActors.Core;

namespace GrpoActors.Runtime.Checkpoints;

/// <summary>
/// The text of <c>manifest.json</c>. One manifest has one text, and its last field is the SHA-256 of all before it, so that a change of any byte is seen
/// without help from the journal.
/// </summary>
internal static class ManifestText
{
    private const int Format = 1;
    private const string SealField = "  \"sha256\": \"";

    public static byte[] Encode(CheckpointMark mark, long optimizerSteps, Digest weights, Digest optimizer, IReadOnlyList<CheckpointFile> files)
    {
        var text = new StringBuilder();
        text.Append("{\n");
        Number("format", Format);
        Number("step", mark.Step);
        Text("chain", mark.Chain.ToString());
        Number("position", mark.Position);
        Text("policy", mark.Policy.ToString());
        Text("reference", mark.Reference?.ToString() ?? "");
        Number("optimizer_steps", optimizerSteps);
        Text("weights_sha256", weights.ToString());
        Text("optimizer_sha256", optimizer.ToString());
        text.Append("  \"files\": [");
        for (int i = 0; i < files.Count; i++)
        {
            text.Append(i == 0 ? "\n" : ",\n").Append(CultureInfo.InvariantCulture,
                $"    {{ \"name\": \"{files[i].Name}\", \"role\": \"{files[i].Role}\", \"bytes\": {files[i].LengthBytes}, \"sha256\": \"{files[i].Sha256}\" }}");
        }

        text.Append("\n  ],\n").Append(SealField);
        text.Append(Digest.Of(text.ToString())).Append("\"\n}\n");
        return Encoding.UTF8.GetBytes(text.ToString());

        void Number(string name, long value) => text.Append(CultureInfo.InvariantCulture, $"  \"{name}\": {value},\n");
        void Text(string name, string value) => text.Append(CultureInfo.InvariantCulture, $"  \"{name}\": \"{value}\",\n");
    }

    /// <exception cref="FormatException">It is not, to the byte, a manifest that <see cref="Encode"/> gives. The message is the rest of a sentence about it.</exception>
    public static CheckpointManifest Decode(ReadOnlySpan<byte> bytes, string folder)
    {
        CheckpointManifest manifest;
        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes.ToArray());
            manifest = Read(json.RootElement, folder, Digest.Of(bytes));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new FormatException("its manifest.json is cut short or damaged", e);
        }

        byte[] whole = Encode(manifest.Mark, manifest.OptimizerSteps, manifest.WeightsSha256, manifest.OptimizerSha256, manifest.Files);
        return bytes.SequenceEqual(whole) ? manifest : throw new FormatException("its manifest.json does not match its own checksum");
    }

    private static CheckpointManifest Read(JsonElement root, string folder, Digest digest)
    {
        int format = root.GetProperty("format").GetInt32();
        if (format != Format)
        {
            throw new FormatException($"its manifest.json has format {format}, and this program reads {Format}");
        }

        string reference = Text(root, "reference");
        var mark = new CheckpointMark(
            root.GetProperty("step").GetInt64(), Digest.Parse(Text(root, "chain")), root.GetProperty("position").GetInt64(), Digest.Parse(Text(root, "policy")),
            reference.Length == 0 ? null : Digest.Parse(reference));
        CheckpointFile[] files =
        [
            .. root.GetProperty("files").EnumerateArray().Select(file => new CheckpointFile(
                Text(file, "name"), Text(file, "role"), file.GetProperty("bytes").GetInt64(), Digest.Parse(Text(file, "sha256")))),
        ];
        return new CheckpointManifest(
            mark, folder, root.GetProperty("optimizer_steps").GetInt64(), Digest.Parse(Text(root, "weights_sha256")), Digest.Parse(Text(root, "optimizer_sha256")), files, digest);
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null");
}
