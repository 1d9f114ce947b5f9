using Xunit;

namespace GrpoActors.Numerics.Tests;

public sealed class ThreadTeamTests
{
    private struct Counting(int[] hits) : ITeamWork
    {
        public readonly void Run(int item, int worker) => Interlocked.Increment(ref hits[item]);
    }

    private struct Failing(int at) : ITeamWork
    {
        public readonly void Run(int item, int worker)
        {
            if (item == at)
                throw new InvalidOperationException($"item {item}");
        }
    }

    private struct Nested(ThreadTeam team) : ITeamWork
    {
        public readonly void Run(int item, int worker)
        {
            var inner = new Counting(new int[4]);
            team.Run(4, ref inner);
        }
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(4)]
    public void Every_item_runs_once_in_every_run(int threads)
    {
        using var team = new ThreadTeam(threads);
        for (int run = 0; run < 20_000; run++)
        {
            var hits = new int[run % 7];
            var work = new Counting(hits);
            team.Run(hits.Length, ref work);
            Assert.All(hits, hit => Assert.Equal(1, hit));
        }
    }

    [Fact]
    public void An_exception_of_an_item_reaches_the_caller_and_the_team_lives_on()
    {
        using var team = new ThreadTeam(3);
        for (int i = 0; i < 100; i++)
        {
            var failing = new Failing(i % 10);
            Assert.Equal($"item {i % 10}", Assert.Throws<InvalidOperationException>(() => team.Run(10, ref failing)).Message);
            var hits = new int[10];
            var counting = new Counting(hits);
            team.Run(10, ref counting);
            Assert.All(hits, hit => Assert.Equal(1, hit));
        }
    }

    [Fact]
    public void A_run_inside_a_run_is_refused()
    {
        using var team = new ThreadTeam(2);
        var nested = new Nested(team);
        Assert.Contains("asked to run while it runs", Assert.Throws<InvalidOperationException>(() => team.Run(4, ref nested)).Message);
    }

    [Fact]
    public void Kernels_allocate_nothing_once_warm()
    {
        using var team = new ThreadTeam(2);
        using var packed = new PackedMatrix(96, 64);
        float[] x = Sample.Of(300 * 64, 1), y = new float[300 * 96], o = new float[300 * 32], lse = new float[300], dw = new float[96 * 64];
        var shape = new AttentionShape(1, 1, 32);
        int[] offsets = [0, 100, 300];
        void Once()
        {
            Gemm.Forward(x, packed, y, team);
            Gemm.WeightGradient(y, x, dw, team);
            Attention.Forward(shape, offsets, y, 96, y.AsSpan(32), y.AsSpan(64), 96, o, lse, team);
            Residual.Add(y, y, team);
        }
        long least = long.MaxValue;
        for (int attempt = 0; attempt < 20 && least > 0; attempt++) // the runtime may allocate once for a lock or a method at their first use; a kernel that allocates does so in every attempt
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 50; i++)
                Once();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
    }
}
