using GrpoActors.Actors.Protocol;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Core;
using GrpoActors.Engine;
using Xunit;

namespace GrpoActors.Cluster.Tests.Bulk;

public sealed class ContentStoreTests
{
    private readonly PassingTime time = new(TimeSpan.Zero);

    [Fact]
    public void The_oldest_contents_go_when_there_is_no_room()
    {
        ContentStore shelf = Shelf(new ContentStoreOptions(ContentsBytesMax: 10));
        ContentRef first = shelf.Put([1, 1, 1, 1]), second = shelf.Put([2, 2, 2, 2]);
        shelf.Put([1, 1, 1, 1]);
        ContentRef third = shelf.Put([3, 3, 3, 3]);
        Assert.NotNull(shelf.TryGet(first.Sha256));
        Assert.Null(shelf.TryGet(second.Sha256));
        Assert.NotNull(shelf.TryGet(third.Sha256));
        Assert.Equal(8, shelf.ContentsBytes);
        Assert.Equal(
            "A content of 11 bytes is larger than the store (grpo.bulk.contents-bytes-max = 10).",
            Assert.Throws<BulkException>(() => shelf.Put(new byte[11])).Message);
    }

    [Fact]
    public void A_content_past_its_age_goes_at_the_next_put()
    {
        ContentStore shelf = Shelf(new ContentStoreOptions(ContentsAgeMax: TimeSpan.FromMinutes(1)));
        ContentRef old = shelf.Put([1]);
        time.Advance(TimeSpan.FromMinutes(1));
        shelf.Put([2]);
        Assert.NotNull(shelf.TryGet(old.Sha256));
        time.Advance(TimeSpan.FromTicks(1));
        shelf.Put([3]);
        Assert.Null(shelf.TryGet(old.Sha256));
    }

    [Fact]
    public void A_reference_says_where_what_and_how_long()
    {
        byte[] content = [1, 2, 3];
        ContentRef put = Shelf(new ContentStoreOptions()).Put(content);
        Assert.Equal(new ContentRef(new Uri($"http://node:8/contents/{Digest.Of(content)}"), Digest.Of(content), 3), put);
    }

    [Fact]
    public void Nothing_can_be_offered_before_the_server_runs() =>
        Assert.Throws<InvalidOperationException>(() => new ContentStore(new ContentStoreOptions(), time).Put([1]));

    [Fact]
    public void Tensors_are_read_and_written_alike_in_pieces_of_any_length()
    {
        var random = new Random(3);
        PolicyWeights weights = TinyWeights.Of(TinyWeights.Spec(), 1);
        PolicyWeights empty = weights with { Tensors = [.. weights.Tensors.Select(tensor => tensor with { Values = new float[tensor.Values.Length] })] };
        var from = new TensorBytes([.. weights.Tensors, new NamedTensor("model.none", [0], default)]);
        var to = new TensorBytes([.. empty.Tensors, new NamedTensor("model.none", [0], default)]);
        for (long offset = 0; offset < from.LengthBytes;)
        {
            byte[] piece = new byte[random.Next(1, 700)];
            int read = from.Read(offset, piece);
            to.Write(offset, piece.AsSpan(0, read));
            offset += read;
        }

        Assert.Equal(from.Hash(), to.Hash());
        Assert.Equal(0, from.Read(from.LengthBytes, new byte[1]));
        Assert.All(weights.Tensors.Zip(to.Tensors.Where(tensor => tensor.Name != "model.none")), pair => Assert.Equal(pair.Item1.Values.ToArray(), pair.Item2.Values.ToArray()));
        Assert.Throws<BulkException>(() => to.Write(to.LengthBytes, [0]));
        Assert.Throws<BulkException>(() => to.Write(0, [0]));
    }

    private ContentStore Shelf(ContentStoreOptions options) => new(options, time) { Address = new Uri("http://node:8/") };
}
