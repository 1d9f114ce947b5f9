using GrpoActors.Core.Runs;
using GrpoActors.Journal;
using GrpoActors.Runtime.Workers;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Actors.Embedded;

/// <summary>
/// Runs workers on threads of their own. A worker that throws is started again after a growing pause, a bounded number of times; then the run
/// stops with its state intact: <see cref="RestartBudget"/>.
/// </summary>
/// <remarks>A restart costs one lease or one step: workers own no state of the run.</remarks>
/// <param name="committed">Committed steps of the run.</param>
internal sealed class Supervisor(int restartsMax, Func<long> committed, ILogger log, TimeProvider time, Action<Exception> giveUp)
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);
    private const int PatiencesMax = 10;

    private readonly List<(string Name, Task Work)> workers = [];

    /// <summary>Who has not stopped within five minutes is named and left where it stands.</summary>
    public bool LeavesBehind { get; set; }

    /// <param name="work">Blocks until <paramref name="stop"/>; every call is a fresh start.</param>
    /// <param name="crashed">Called after each crash, before the pause.</param>
    public void Start(string name, Action<CancellationToken> work, Action crashed, CancellationToken stop) =>
        workers.Add((name, Task.Factory.StartNew(() => Supervise(name, work, crashed, stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

    /// <summary>Returns when nobody is at work any more; names every half minute who still is, since what a worker uses cannot be taken from under it.</summary>
    public async Task WhenAllStopped()
    {
        Task all = Task.WhenAll(workers.Select(worker => worker.Work));
        int waited = 0;
        while (!all.IsCompleted)
        {
            try
            {
                await all.WaitAsync(StopPatience, time);
            }
            catch (TimeoutException)
            {
                string late = string.Join(", ", workers.Where(worker => !worker.Work.IsCompleted).Select(worker => worker.Name));
                if (LeavesBehind && ++waited >= PatiencesMax)
                {
                    log.LogWarning("No word from {Workers} within {Patience} of the run's stop: left behind", late, StopPatience * PatiencesMax);
                    return;
                }

                log.LogWarning("The run has stopped and its state is intact, but no word from {Workers} within {Patience}; still waiting", late, StopPatience);
            }
        }
    }

    private void Supervise(string name, Action<CancellationToken> work, Action crashed, CancellationToken stop)
    {
        RestartBudget budget = RestartBudget.Full(restartsMax, committed());
        while (!stop.IsCancellationRequested)
        {
            try
            {
                work(stop);
                return;
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                return; // the run is over; whatever broke, nobody needs it any more
            }
            catch (Exception failure) when (failure is RunFailedException or StaleWriterException)
            {
                giveUp(failure);
                return;
            }
            catch (Exception failure)
            {
                budget = budget.After(committed());
                if (budget.IsExhausted)
                {
                    giveUp(new RunFailedException($"{name} failed {budget.Failures} times, the last time with: {failure.Message}", failure));
                    return;
                }

                log.LogWarning(
                    failure, "{Worker} failed and is started again ({Restart} of {RestartsMax}): {Reason}", name, budget.Failures, restartsMax, failure.Message);
                crashed();
                Task.Delay(budget.Pause, time, stop).ContinueWith(static _ => { }, TaskScheduler.Default).GetAwaiter().GetResult();
            }
        }
    }
}
