using GrpoActors.Core;
using GrpoActors.Core.Prompts;
using Xunit;

namespace GrpoActors.Core.Tests.Prompts;

public sealed class PromptOrderTests
{
    private static readonly SeedTree Seeds = new(7);

    [Fact]
    public void Each_row_stands_once_in_each_epoch_for_every_small_number_of_rows()
    {
        for (int rows = 1; rows <= 130; rows++)
        {
            for (int epoch = 0; epoch < 3; epoch++)
            {
                Assert.Equal(Enumerable.Range(0, rows).Select(row => (long)row), Epoch(rows, epoch, GroupStream.Primary).Order());
            }
        }
    }

    [Theory]
    [InlineData(1023)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(7473)]
    [InlineData(65537)]
    public void Each_row_stands_once_in_each_epoch(int rows)
    {
        var seen = new bool[rows];
        foreach (long row in Epoch(rows, 1, GroupStream.Refill))
        {
            Assert.False(seen[row]);
            seen[row] = true;
        }
    }

    [Theory]
    [InlineData(KeyedPermutation.CountMax)]
    [InlineData(KeyedPermutation.CountMax - 1)]
    [InlineData((1L << 38) + 1)]
    [InlineData((1L << 32) + 5)]
    public void Huge_numbers_of_rows_stay_in_range_and_do_not_collide(long rows)
    {
        var seen = new HashSet<long>();
        for (int i = 0; i < 5_000; i++)
        {
            long row = PromptOrder.RowAt(Seeds, 0, GroupStream.Primary, i % 2 == 0 ? i : rows - i, rows);
            Assert.InRange(row, 0, rows - 1);
            Assert.True(seen.Add(row));
        }
    }

    [Fact]
    public void Epochs_streams_phases_and_seeds_differ()
    {
        const int rows = 100;
        long[] order = Epoch(rows, 0, GroupStream.Primary);
        Assert.NotEqual(order, Epoch(rows, 1, GroupStream.Primary));
        Assert.NotEqual(order, Epoch(rows, 0, GroupStream.Refill));
        Assert.NotEqual(order, Epoch(rows, 0, GroupStream.Primary, phase: 1));
        Assert.NotEqual(order, [.. Enumerable.Range(0, rows).Select(i => PromptOrder.RowAt(new SeedTree(8), 0, GroupStream.Primary, i, rows))]);
    }

    [Fact]
    public void Each_place_gets_each_row_about_as_often()
    {
        // 10 rows, 4,000 epochs: each of 100 cells expects 400; chi-square with 81 degrees of freedom exceeds 140 once in 20,000 fair trials.
        const int rows = 10, epochs = 4_000;
        var counts = new int[rows, rows];
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            long[] order = Epoch(rows, epoch, GroupStream.Primary);
            for (int place = 0; place < rows; place++)
            {
                counts[place, order[place]]++;
            }
        }

        const double expected = (double)epochs / rows;
        Assert.InRange(counts.Cast<int>().Sum(count => (count - expected) * (count - expected) / expected), 40, 140);
    }

    [Fact]
    public void The_order_of_revision_1_is_kept()
    {
        // Also computed by an independent script (Python, hashlib). A change breaks every journal and every published hash.
        Assert.Equal([5L, 9, 7, 2, 0, 6, 3, 8, 1, 4], Epoch(10, 0, GroupStream.Primary));
    }

    private static long[] Epoch(int rows, int epoch, GroupStream stream, int phase = 0) =>
        [.. Enumerable.Range(0, rows).Select(i => PromptOrder.RowAt(Seeds, phase, stream, (long)epoch * rows + i, rows))];
}
