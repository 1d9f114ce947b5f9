using GrpoActors.Journal.Tests;
using GrpoActors.Core;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Formats.Safetensors;
using GrpoActors.Runtime.Checkpoints;
using Xunit;

namespace GrpoActors.Runtime.Tests.Checkpoints;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    private string Folder => temporary.File("checkpoints");

    private CheckpointStore Store => new(PhysicalDisk.Instance, Folder);

    public void Dispose() => temporary.Dispose();

    [Fact]
    public void What_was_written_is_found_whole_and_read_back_to_the_bit()
    {
        TrainerState state = State(1);
        CheckpointManifest written = Store.Write(Mark(200), state);
        Assert.Equal("step-000200", written.Folder);
        var found = Assert.IsType<FoundCheckpoint.Intact>(Assert.Single(Store.Scan()));
        Assert.Equal(200, found.Step);
        Assert.Equal(Mark(200), found.Manifest.Mark);
        Assert.Equal((written.Digest, written.WeightsSha256, written.OptimizerSha256), (found.Manifest.Digest, found.Manifest.WeightsSha256, found.Manifest.OptimizerSha256));
        Same(state, Store.Load(found.Manifest));
    }

    [Fact]
    public void The_weights_are_a_safetensors_file_that_others_can_read()
    {
        Store.Write(Mark(1), State(1));
        using var file = SafetensorsFile.Open(Path.Combine(Folder, "step-000001", "weights.safetensors"));
        Assert.Equal(["a.weight", "b.weight"], file.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([2L, 3L], file.Tensors[0].Shape.ToArray());
    }

    [Fact]
    public void The_newest_comes_first()
    {
        foreach (long step in new long[] { 5, 1_000_000, 20 })
        {
            Store.Write(Mark(step), State(step));
        }

        Assert.Equal([1_000_000, 20, 5], Store.Scan().Select(found => found.Step));
    }

    [Fact]
    public void A_folder_without_checkpoints_holds_none() => Assert.Empty(Store.Scan());

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("weights.safetensors")]
    [InlineData("optimizer.safetensors")]
    public void Every_byte_with_a_flipped_bit_is_found(string name)
    {
        Store.Write(Mark(1), State(1));
        CheckpointManifest whole = ((FoundCheckpoint.Intact)Store.Scan().Single()).Manifest;
        string path = Path.Combine(Folder, "step-000001", name);
        byte[] bytes = File.ReadAllBytes(path);
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(path, damaged);
            var found = Assert.IsType<FoundCheckpoint.Damaged>(Store.Scan().Single());
            Assert.Contains(name, found.Why, StringComparison.Ordinal);
            if (name != "manifest.json")
            {
                Assert.Throws<StorageException>(() => Store.Load(whole));
            }
        }
    }

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("weights.safetensors")]
    [InlineData("optimizer.safetensors")]
    public void Every_missing_or_added_byte_is_found(string name)
    {
        Store.Write(Mark(1), State(1));
        CheckpointManifest whole = ((FoundCheckpoint.Intact)Store.Scan().Single()).Manifest;
        string path = Path.Combine(Folder, "step-000001", name);
        byte[] bytes = File.ReadAllBytes(path);
        foreach (int length in Enumerable.Range(0, bytes.Length).Append(bytes.Length + 1))
        {
            byte[] damaged = new byte[length];
            bytes.AsSpan(0, Math.Min(length, bytes.Length)).CopyTo(damaged);
            File.WriteAllBytes(path, damaged);
            Assert.IsType<FoundCheckpoint.Damaged>(Store.Scan().Single());
            if (name != "manifest.json")
            {
                Assert.Throws<StorageException>(() => Store.Load(whole));
            }
        }

        File.Delete(path);
        Assert.Contains(name, Assert.IsType<FoundCheckpoint.Damaged>(Store.Scan().Single()).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_manifest_moved_to_another_step_is_no_checkpoint_of_that_step()
    {
        Store.Write(Mark(1), State(1));
        Directory.Move(Path.Combine(Folder, "step-000001"), Path.Combine(Folder, "step-000002"));
        Assert.Contains("that of step 1", Assert.IsType<FoundCheckpoint.Damaged>(Store.Scan().Single()).Why, StringComparison.Ordinal);
    }

    [Fact]
    public void An_older_one_stands_in_for_a_damaged_one()
    {
        Store.Write(Mark(1), State(1));
        Store.Write(Mark(2), State(2));
        File.WriteAllBytes(Path.Combine(Folder, "step-000002", "weights.safetensors"), [1, 2, 3]);
        var intact = Store.Scan().OfType<FoundCheckpoint.Intact>().First();
        Same(State(1), Store.Load(intact.Manifest));
    }

    [Fact]
    public void A_reference_is_stored_twice_for_all_who_compare_with_it_and_goes_with_the_last_of_them()
    {
        IReadOnlyList<NamedTensor> reference = State(9).Weights;
        for (int step = 1; step <= 4; step++)
        {
            Store.Write(Mark(step), State(step) with { Reference = reference });
        }

        Store.Write(Mark(5), State(5));
        Assert.Equal(2, Directory.GetFiles(Folder, "reference-*").Length);
        Same(State(2) with { Reference = reference }, Store.Load(Manifest(2)));

        Store.Retire(2);
        Store.Retire(3);
        Assert.Equal(2, Directory.GetFiles(Folder, "reference-*").Length);
        Store.Retire(1);
        Assert.Single(Directory.GetFiles(Folder, "reference-*"));
        Store.Retire(4);
        Assert.Empty(Directory.GetFiles(Folder, "reference-*"));
        Assert.Equal([5], Store.Scan().Select(found => found.Step));
    }

    [Fact]
    public void One_damaged_file_never_takes_two_checkpoints_in_a_row()
    {
        IReadOnlyList<NamedTensor> reference = State(9).Weights;
        CheckpointStore store = Store;
        for (int step = 1; step <= 5; step++)
        {
            store.Write(Mark(step), State(step) with { Reference = reference });
        }

        foreach (string file in Directory.GetFiles(Folder, "*", SearchOption.AllDirectories))
        {
            byte[] whole = File.ReadAllBytes(file), damaged = [.. whole];
            damaged[whole.Length / 2] ^= 4;
            File.WriteAllBytes(file, damaged);
            long[] intact = [.. Store.Scan().OfType<FoundCheckpoint.Intact>().Select(found => found.Step)];
            Assert.All(Enumerable.Range(1, 4), step => Assert.True(intact.Contains(step) || intact.Contains(step + 1), $"{file} takes {step} and {step + 1}"));
            File.WriteAllBytes(file, whole);
        }
    }

    [Fact]
    public void A_damaged_reference_is_found_and_written_again()
    {
        IReadOnlyList<NamedTensor> reference = State(9).Weights;
        Store.Write(Mark(1), State(1) with { Reference = reference });
        string file = Assert.Single(Directory.GetFiles(Folder, "reference-*"));
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Contains("reference-", Assert.IsType<FoundCheckpoint.Damaged>(Store.Scan().Single()).Why, StringComparison.Ordinal);
        Store.Write(Mark(2), State(2) with { Reference = reference });
        Assert.All(Store.Scan(), found => Assert.IsType<FoundCheckpoint.Intact>(found));
    }

    [Fact]
    public void Files_are_flushed_before_the_manifest_and_all_of_it_before_the_rename()
    {
        var disk = new FaultyDisk();
        new CheckpointStore(disk, Folder).Write(Mark(1), State(1));
        Assert.Equal(
            [
                "create folder checkpoints", $"flush folder {Path.GetFileName(temporary.Path)}",
                "delete folder step-000001.part", "create folder step-000001.part",
                "create weights.safetensors", "flush weights.safetensors", "create optimizer.safetensors", "flush optimizer.safetensors",
                "create manifest.json", "flush manifest.json", "flush folder step-000001.part",
                "delete folder step-000001.old.part", "rename step-000001", "flush folder checkpoints", "delete folder step-000001.old.part",
            ],
            disk.Changes);
    }

    [Fact]
    public void A_crash_at_any_operation_leaves_the_one_before_and_the_new_one_whole_or_absent()
    {
        Store.Write(Mark(1), State(1) with { Reference = State(8).Weights });
        for (int at = 0; ; at++)
        {
            var disk = new FaultyDisk(failAt: at);
            bool died = false;
            try
            {
                var store = new CheckpointStore(disk, Folder);
                store.Write(Mark(2), State(2) with { Reference = State(9).Weights });
                store.Retire(2);
            }
            catch (StorageException)
            {
                died = true;
            }

            FoundCheckpoint[] found = [.. Store.Scan()];
            Assert.All(found, one => Assert.IsType<FoundCheckpoint.Intact>(one));
            Assert.Contains(found, one => one.Step == 1);
            Store.Write(Mark(2), State(2) with { Reference = State(9).Weights });
            Assert.Equal([2, 1], Store.Scan().OfType<FoundCheckpoint.Intact>().Select(one => one.Step));
            Store.Retire(2);
            Assert.Equal([1], Store.Scan().Select(one => one.Step));
            if (!died)
            {
                Assert.True(at > 20);
                return;
            }
        }
    }

    [Fact]
    public void A_full_disk_is_one_sentence()
    {
        var disk = new FaultyDisk(failAt: 5, new IOException("No space left on device", 28));
        var e = Assert.Throws<StorageException>(() => new CheckpointStore(disk, Folder).Write(Mark(3), State(3)));
        Assert.StartsWith("Could not write the checkpoint of step 3 at ", e.Message, StringComparison.Ordinal);
        Assert.EndsWith("the disk is full; free some space and start the same command again.", e.Message, StringComparison.Ordinal);
    }

    private CheckpointManifest Manifest(long step) => Store.Scan().OfType<FoundCheckpoint.Intact>().Single(found => found.Step == step).Manifest;

    private static CheckpointMark Mark(long step) => new(step, Digest.Of($"chain {step}"), step * 10, Digest.Of($"policy {step}"), step % 2 == 0 ? Digest.Of("reference") : null);

    private static TrainerState State(long salt) => new(
        [Tensor("a.weight", [2, 3], salt), Tensor("b.weight", [4], salt + 1)],
        [Tensor("a.weight.m", [2, 3], salt + 2), Tensor("a.weight.v", [2, 3], salt + 3)],
        salt * 7,
        null);

    private static NamedTensor Tensor(string name, long[] shape, long salt)
    {
        float[] values = new float[shape.Aggregate(1L, (product, dimension) => product * dimension)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BitConverter.Int32BitsToSingle((int)(uint)(salt * 1_000_003 + i * 7_919)); // subnormals too: bits must survive
        }

        return new NamedTensor(name, shape, values);
    }

    private static void Same(TrainerState expected, TrainerState found)
    {
        Same(expected.Weights, found.Weights);
        Same(expected.Moments, found.Moments);
        Assert.Equal(expected.OptimizerSteps, found.OptimizerSteps);
        Assert.Equal(expected.Reference is null, found.Reference is null);
        Same(expected.Reference ?? [], found.Reference ?? []);
    }

    private static void Same(IReadOnlyList<NamedTensor> expected, IReadOnlyList<NamedTensor> found)
    {
        Assert.Equal(expected.Select(tensor => tensor.Name), found.Select(tensor => tensor.Name));
        Assert.All(expected.Zip(found), pair =>
        {
            Assert.Equal(pair.Item1.Shape, pair.Item2.Shape);
            Assert.Equal(pair.Item1.Values.ToArray().Select(BitConverter.SingleToInt32Bits), pair.Item2.Values.ToArray().Select(BitConverter.SingleToInt32Bits));
        });
    }
}
