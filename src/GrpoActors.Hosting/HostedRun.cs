using System.Runtime.CompilerServices;
using GrpoActors.Cluster.Operations;
using GrpoActors.Runtime.Reports;

namespace GrpoActors.Hosting;

/// <summary>The run of this host, for whatever is injected with it. Thread-safe.</summary>
public sealed class HostedRun
{
    private readonly Lock gate = new();
    private readonly List<StepReport> steps = [];
    private readonly TaskCompletionSource<RunResult?> result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource more = NewSignal();

    /// <summary>
    /// The result, when the run is over; null on a node that is not the coordinator. Fails as the run does. Cancelled if the host stops first: the run goes on when the host starts again.
    /// </summary>
    public Task<RunResult?> Result => result.Task;

    /// <summary>Whether the run is at work, and what is said of that.</summary>
    internal Func<ReadyReport> Ready { get; set; } = static () => new ReadyReport(false, "the run has not begun");

    internal StepReport? Newest
    {
        get
        {
            lock (gate)
            {
                return steps.Count > 0 ? steps[^1] : null;
            }
        }
    }

    /// <summary>
    /// One report for each step that this process commits, from its first one on, to each reader. Ends as the run does: with a failure, if it fails, or with
    /// <see cref="OperationCanceledException"/> when the host stops first. In a cluster only the coordinator's node has any.
    /// </summary>
    public async IAsyncEnumerable<StepReport> Steps([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        for (int read = 0; ;)
        {
            Task changed;
            StepReport[] unread;
            lock (gate)
            {
                (changed, unread) = (more.Task, [.. steps.Skip(read)]);
            }

            foreach (StepReport step in unread)
            {
                yield return step;
            }

            read += unread.Length;
            if (unread.Length == 0)
            {
                if (result.Task.IsCompleted)
                {
                    await result.Task;
                    yield break;
                }

                await changed.WaitAsync(cancellation);
            }
        }
    }

    internal void Add(StepReport step)
    {
        lock (gate)
        {
            steps.Add(step);
            Signal();
        }
    }

    /// <returns>False: it had ended before.</returns>
    internal bool Complete(RunResult? value) => End(() => result.TrySetResult(value));

    internal bool Fail(Exception failure) => End(() => result.TrySetException(failure));

    internal bool Cancel() => End(() => result.TrySetCanceled());

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool End(Func<bool> how)
    {
        lock (gate)
        {
            bool first = how();
            _ = result.Task.Exception; // whoever reads no result has it from the host
            Signal();
            return first;
        }
    }

    private void Signal()
    {
        more.SetResult();
        more = NewSignal();
    }
}
