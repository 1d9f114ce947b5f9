using GrpoActors.Hub.Tests;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Runtime.Tests.Workers;

public sealed class DeadlineSchedulerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(8);

    [Theory]
    [InlineData(4, 2)]
    [InlineData(8, 2)]
    [InlineData(8, 3)]
    [InlineData(16, 4)]
    public async Task Stuck_calls_are_over_within_the_bound_and_no_earlier_than_their_own_deadlines(int calls, int places)
    {
        SynchronizationContext.SetSynchronizationContext(null); // what a moment brings about has happened when it has passed
        var time = new SteppedTime();
        var stuck = new List<(TimeSpan Until, TaskCompletionSource<int> End)>();
        Task<int[]> all = DeadlineScheduler.Run([.. Enumerable.Range(0, calls).Select(i => (Func<Task<int>>)Begin)], places, Deadline, time, CancellationToken.None);
        while (!all.IsCompleted)
        {
            Assert.True(Now() < DeadlineScheduler.Bound(calls, places, Deadline), $"not over after {Now()}");
            time.Pass(Deadline / calls / 2);
            foreach ((TimeSpan until, TaskCompletionSource<int> end) in stuck.Where(call => call.Until <= Now()).ToArray())
            {
                end.TrySetResult((int)until.TotalMilliseconds);
            }
        }

        int[] ends = await all;
        Assert.Equal(calls, ends.Length);
        Assert.All(ends, end => Assert.True(end >= Deadline.TotalMilliseconds));
        Assert.Equal(DeadlineScheduler.Bound(calls, places, Deadline), Now());
        Assert.InRange(DeadlineScheduler.Bound(calls, places, Deadline), Deadline, Deadline * 1.5);

        TimeSpan Now() => TimeSpan.FromTicks(time.GetTimestamp());

        Task<int> Begin()
        {
            stuck.Add((Now() + Deadline, new TaskCompletionSource<int>()));
            return stuck[^1].End.Task;
        }
    }

    [Fact]
    public async Task Honest_calls_take_turns_and_none_begins_while_all_places_are_held()
    {
        SynchronizationContext.SetSynchronizationContext(null);
        int running = 0, most = 0;
        var gates = Enumerable.Range(0, 6).Select(_ => new TaskCompletionSource<int>()).ToArray();
        Task<int[]> all = DeadlineScheduler.Run([.. gates.Select((gate, i) => (Func<Task<int>>)(async () =>
        {
            most = Math.Max(most, ++running);
            int result = await gate.Task;
            running--;
            return result;
        }))], 2, Deadline, new SteppedTime(), CancellationToken.None);
        for (int i = 0; i < gates.Length; i++)
        {
            gates[i].SetResult(i);
        }

        int[] results = await all;
        Assert.Equal(Enumerable.Range(0, gates.Length), results);
        Assert.Equal(2, most);
    }
}
