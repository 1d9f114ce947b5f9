using System.Globalization;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.Files;

namespace GrpoActors.Runtime.Checkpoints;

/// <summary>
/// Checkpoints as folders:
/// <code>
/// checkpoints/step-000200/weights.safetensors     optimizer.safetensors     manifest.json (written last)
/// checkpoints/step-000300.part/                   being written, or left by a crash: never read
/// checkpoints/reference-1f0c….safetensors         by content, shared by every other checkpoint whose phase compares with that policy
/// checkpoints/reference-1f0c…-b.safetensors       a second copy for those between: no damage to one file takes two checkpoints in a row
/// </code>
/// Life of one: files written and flushed -> manifest -> folder flushed -> renamed -> parent flushed.
/// </summary>
/// <param name="folder">Created when first needed.</param>
public sealed class CheckpointStore(IDisk disk, string folder) : ICheckpointStore
{
    private const string Aside = ".part";
    private const string ManifestName = "manifest.json";
    private const string Prefix = "step-";
    private const string ReferencePrefix = "reference-";
    private const string TensorsExtension = ".safetensors";
    private const int ManifestBytesMax = 1 << 16;

    // References that this process has written or verified.
    private readonly Dictionary<string, CheckpointFile> references = [];

    /// <summary>For example <c>step-000200</c>.</summary>
    public static string NameOf(long step) => Prefix + step.ToString("D6", CultureInfo.InvariantCulture);

    public CheckpointManifest Write(CheckpointMark mark, TrainerState state)
    {
        string name = NameOf(mark.Step);
        string part = In(name + Aside);
        try
        {
            CreateOwnFolder();
            disk.DeleteFolder(part);
            disk.CreateFolder(part);
            List<CheckpointFile> files =
            [
                WriteTensors(part, "weights" + TensorsExtension, "weights", state.Weights),
                WriteTensors(part, "optimizer" + TensorsExtension, "optimizer", state.Moments),
            ];
            if (state.Reference is { } reference)
            {
                files.Add(WriteReference(mark.Step, reference));
            }

            Digest weights = WeightsDigest.Of(state.Weights), optimizer = WeightsDigest.OfOptimizer(state);
            byte[] text = ManifestText.Encode(mark, state.OptimizerSteps, weights, optimizer, files);
            WriteFile(Path.Combine(part, ManifestName), text);
            disk.FlushFolder(part);
            Replace(part, name);
            return new CheckpointManifest(mark, name, state.OptimizerSteps, weights, optimizer, files, Digest.Of(text));
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            Discard(part);
            throw DiskFailure.Sentence($"write the checkpoint of step {mark.Step}", part, e);
        }
    }

    public IEnumerable<FoundCheckpoint> Scan()
    {
        foreach (long step in Steps())
        {
            yield return Examine(step);
        }
    }

    public TrainerState Load(CheckpointManifest manifest)
    {
        string path = In(manifest.Folder);
        try
        {
            IReadOnlyList<NamedTensor>? Tensors(string role) => manifest.Files.FirstOrDefault(file => file.Role == role) is { } file ? ReadTensors(path, file) : null;
            var state = new TrainerState(
                Tensors("weights") ?? throw new FormatException("its manifest names no weights"),
                Tensors("optimizer") ?? throw new FormatException("its manifest names no optimizer state"),
                manifest.OptimizerSteps,
                Tensors("reference"));
            return WeightsDigest.Of(state.Weights) == manifest.WeightsSha256 && WeightsDigest.OfOptimizer(state) == manifest.OptimizerSha256
                ? state
                : throw new FormatException("its tensors are not those that its manifest's hashes were made of");
        }
        catch (FormatException e)
        {
            throw new StorageException(Sentence(path, e.Message), e);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence($"read the checkpoint of step {manifest.Mark.Step}", path, e);
        }
    }

    public void Retire(long step)
    {
        string path = In(NameOf(step));
        try
        {
            if (disk.FolderExists(path))
            {
                // Under its own name a half-deleted checkpoint would look like a damaged one.
                string part = path + Aside;
                disk.DeleteFolder(part);
                disk.Rename(path, part);
                disk.FlushFolder(folder);
                disk.DeleteFolder(part);
            }

            DeleteUnusedReferences();
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence($"delete the checkpoint of step {step}", path, e);
        }
    }

    private static string Sentence(string path, string what) => $"The checkpoint {path} is damaged: {what}.";

    private string In(string name) => Path.Combine(folder, name);

    private void CreateOwnFolder()
    {
        if (!disk.FolderExists(folder))
        {
            disk.CreateFolder(folder);
            if (Path.GetDirectoryName(folder) is { Length: > 0 } parent)
            {
                disk.FlushFolder(parent);
            }
        }
    }

    private CheckpointFile WriteTensors(string inFolder, string name, string role, IReadOnlyList<NamedTensor> tensors)
    {
        using Stream file = disk.Create(Path.Combine(inFolder, name));
        using var hashing = new HashingStream(file);
        TensorStream.Write(hashing, tensors);
        disk.Flush(file);
        return new CheckpointFile(name, role, hashing.Count, hashing.Finish());
    }

    /// <summary>A reference is the same through a phase: it is written twice, under names that its content gives.</summary>
    private CheckpointFile WriteReference(long step, IReadOnlyList<NamedTensor> tensors)
    {
        using var hashing = new HashingStream(null);
        TensorStream.Write(hashing, tensors);
        long length = hashing.Count;
        Digest sha = hashing.Finish();
        string first = $"{ReferencePrefix}{sha}{TensorsExtension}", second = $"{ReferencePrefix}{sha}-b{TensorsExtension}";
        bool isFirstTaken = ReferenceBefore(step) == first;
        string other = isFirstTaken ? first : second;
        if (disk.FileExists(In(other)))
        {
            WriteReference(other, length, sha, tensors); // whole again, if it was damaged
        }

        return WriteReference(isFirstTaken ? second : first, length, sha, tensors);
    }

    /// <summary>The copy that the newest other checkpoint leans on.</summary>
    private string? ReferenceBefore(long step)
    {
        try
        {
            return Steps().Where(other => other != step).Take(1).SelectMany(other => ReadManifest(In(NameOf(other)), other).Files)
                .Where(file => file.Role == "reference").Select(file => Path.GetFileName(file.Name)).FirstOrDefault();
        }
        catch (FormatException)
        {
            return null; // damaged: it leans on nothing
        }
    }

    private CheckpointFile WriteReference(string name, long length, Digest sha, IReadOnlyList<NamedTensor> tensors)
    {
        var expected = new CheckpointFile("../" + name, "reference", length, sha);
        if (references.TryGetValue(name, out CheckpointFile? known) && disk.FileExists(In(name)))
        {
            return known;
        }

        if (!disk.FileExists(In(name)) || Difference(folder, expected with { Name = name }) is not null)
        {
            string part = In(name + Aside);
            using (Stream file = disk.Create(part))
            {
                TensorStream.Write(file, tensors);
                disk.Flush(file);
            }

            disk.Rename(part, In(name));
            disk.FlushFolder(folder);
        }

        references[name] = expected;
        return expected;
    }

    private void WriteFile(string path, byte[] content)
    {
        using Stream file = disk.Create(path);
        file.Write(content);
        disk.Flush(file);
    }

    private void Replace(string part, string name)
    {
        string target = In(name), old = In(name + ".old" + Aside);
        disk.DeleteFolder(old);
        if (disk.FolderExists(target))
        {
            disk.Rename(target, old); // a crash between these two leaves no checkpoint of this step, and the one before it
        }

        disk.Rename(part, target);
        disk.FlushFolder(folder);
        disk.DeleteFolder(old);
    }

    private void Discard(string part)
    {
        try
        {
            disk.DeleteFolder(part);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            // It is never read, and deleted before the next one is written.
        }
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<long> Steps()
    {
        try
        {
            return
            [
                .. disk.List(folder)
                    .Select(path => Path.GetFileName(path))
                    .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
                    .Select(name => long.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step) && NameOf(step) == name ? step : -1)
                    .Where(step => step >= 0)
                    .OrderDescending(),
            ];
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("look for checkpoints", folder, e);
        }
    }

    private FoundCheckpoint Examine(long step)
    {
        string path = In(NameOf(step));
        try
        {
            CheckpointManifest manifest = ReadManifest(path, step);
            string? difference = manifest.Files.Select(file => Difference(path, file)).FirstOrDefault(found => found is not null);
            return difference is null ? new FoundCheckpoint.Intact(step, manifest) : new FoundCheckpoint.Damaged(step, Sentence(path, difference));
        }
        catch (FormatException e)
        {
            return new FoundCheckpoint.Damaged(step, Sentence(path, e.Message));
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            return new FoundCheckpoint.Damaged(step, Sentence(path, $"it cannot be read ({DiskFailure.Reason(e)})"));
        }
    }

    private CheckpointManifest ReadManifest(string path, long step)
    {
        string file = Path.Combine(path, ManifestName);
        if (!disk.FileExists(file))
        {
            throw new FormatException("it has no manifest.json");
        }

        using Stream stream = disk.OpenRead(file);
        byte[] buffer = new byte[ManifestBytesMax];
        int length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        CheckpointManifest manifest = ManifestText.Decode(buffer.AsSpan(0, length), NameOf(step));
        return manifest.Mark.Step == step ? manifest : throw new FormatException($"its manifest.json is that of step {manifest.Mark.Step}");
    }

    /// <summary>How a file differs from what the manifest says of it, every byte read; null: not at all.</summary>
    private string? Difference(string inFolder, CheckpointFile expected)
    {
        string path = Path.Combine(inFolder, expected.Name);
        if (!disk.FileExists(path))
        {
            return $"{expected.Name} is missing";
        }

        using Stream file = disk.OpenRead(path);
        using var hashing = new HashingStream(file);
        hashing.CopyTo(Stream.Null);
        return Difference(expected, hashing.Count, hashing.Finish());
    }

    private static string? Difference(CheckpointFile expected, long length, Digest sha)
    {
        if (length != expected.LengthBytes)
        {
            return $"{expected.Name} has {length} bytes where {expected.LengthBytes} were written";
        }

        return sha == expected.Sha256 ? null : $"the SHA-256 of {expected.Name} is {sha}, and {expected.Sha256} was written";
    }

    private IReadOnlyList<NamedTensor> ReadTensors(string inFolder, CheckpointFile expected)
    {
        string path = Path.Combine(inFolder, expected.Name);
        if (!disk.FileExists(path))
        {
            throw new FormatException($"{expected.Name} is missing");
        }

        using Stream file = disk.OpenRead(path);
        using var hashing = new HashingStream(file);
        IReadOnlyList<NamedTensor> tensors;
        try
        {
            tensors = TensorStream.Read(hashing, expected.LengthBytes);
        }
        catch (FormatException e)
        {
            throw new FormatException($"{expected.Name} is no whole safetensors file: {e.Message}", e);
        }

        hashing.CopyTo(Stream.Null);
        return Difference(expected, hashing.Count, hashing.Finish()) is { } difference ? throw new FormatException(difference) : tensors;
    }

    private void DeleteUnusedReferences()
    {
        var used = new HashSet<string>();
        foreach (long step in Steps())
        {
            try
            {
                used.UnionWith(ReadManifest(In(NameOf(step)), step).Files.Select(file => Path.GetFileName(file.Name)));
            }
            catch (FormatException)
            {
                return; // what a damaged one needs cannot be known
            }
        }

        foreach (string path in disk.List(folder).Where(path => Path.GetFileName(path).StartsWith(ReferencePrefix, StringComparison.Ordinal)))
        {
            if (!used.Contains(Path.GetFileName(path)))
            {
                references.Remove(Path.GetFileName(path));
                disk.DeleteFile(path);
            }
        }
    }
}
