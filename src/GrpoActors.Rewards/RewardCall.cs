using System.Text.RegularExpressions;
using GrpoActors.Core.Completions;
using GrpoActors.Rewards.Isolation;

namespace GrpoActors.Rewards;

/// <summary>Runs one reward over one completion. A fault never becomes a number.</summary>
public static class RewardCall
{
    private const int ReasonCharactersMax = 300;

    /// <summary>Of a reason that is cut: what ended it stands first; a traceback's last lines say why.</summary>
    private const int ReasonHeadCharacters = 80;

    /// <summary>
    /// A finite score gives Scored, null Abstained, NaN or infinity or an exception Faulted, a passed deadline TimedOut:
    /// the call is then cancelled and, should it not heed that, left behind.
    /// </summary>
    /// <param name="deadline">From the moment when the reward begins, however long a thread was waited for. Positive, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <exception cref="OperationCanceledException">The caller gave up: no outcome.</exception>
    public static async Task<ScoreOutcome> Run(IReward reward, RewardInput input, TimeSpan deadline, TimeProvider time, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var ours = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        // On a thread of its own: a reward that never yields must not hold up the deadline.
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<float?> call = Task.Run(
            async () =>
            {
                begun.SetResult();
                return await reward.ScoreAsync(input, ours.Token);
            },
            CancellationToken.None);
        try
        {
            await begun.Task.WaitAsync(cancellation);
            await call.WaitAsync(deadline, time, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            throw;
        }
        catch (TimeoutException) when (!call.IsCompleted)
        {
            await ours.CancelAsync();
            return new ScoreOutcome.TimedOut(deadline);
        }
        catch (Exception)
        {
            // The call's own failure, read below.
        }
        finally
        {
            _ = call.ContinueWith(
                static (ended, source) =>
                {
                    _ = ended.Exception; // observed: nobody waits for a call that was left behind
                    ((CancellationTokenSource)source!).Dispose();
                },
                ours, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        return Outcome(reward, call);
    }

    private static ScoreOutcome Outcome(IReward reward, Task<float?> ended)
    {
        if (ended.IsCompletedSuccessfully)
        {
            return ended.Result switch
            {
                null => ScoreOutcome.NotApplicable,
                { } score when float.IsFinite(score) => new ScoreOutcome.Scored(score),
                { } score => new ScoreOutcome.Faulted($"{reward.Name} returned {score}, which is no finite number."),
            };
        }

        return ended.Exception?.InnerException switch
        {
            RegexMatchTimeoutException late => new ScoreOutcome.TimedOut(late.MatchTimeout),
            ScorerProcessException broken => new ScoreOutcome.Faulted(Shown($"{reward.Name}: {broken.Message}")),
            { } thrown => new ScoreOutcome.Faulted(Shown($"{reward.Name} threw {thrown.GetType().Name}: {thrown.Message}")),
            null => new ScoreOutcome.Faulted($"{reward.Name} cancelled its own call."),
        };
    }

    private static string Shown(string reason)
    {
        string line = reason.ReplaceLineEndings(" ");
        return line.Length <= ReasonCharactersMax ? line : $"{line[..ReasonHeadCharacters]}…{line[^(ReasonCharactersMax - ReasonHeadCharacters)..]}";
    }
}
