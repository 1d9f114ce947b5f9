namespace GrpoActors.Formats.Transfers;

/// <summary>An attempt failed, and another one may not. The message is a clause: "the server was silent for 20 s".</summary>
public sealed class TransientException(string clause, Exception? cause = null) : Exception(clause, cause)
{
    /// <summary>The server is busy and asks for this pause: no failure, and not counted as one.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>How often, and how soon, a transfer is tried again.</summary>
/// <param name="AttemptsMax">Failures in a row that bring no further byte before it is given up.</param>
/// <param name="FirstPause">After the first failure; doubles with each further one.</param>
/// <param name="SilenceMax">An attempt is broken off when nothing has come for so long: the other side is frozen or cut off.</param>
public sealed record RetryPolicy(int AttemptsMax, TimeSpan FirstPause, TimeSpan PauseMax, TimeSpan SilenceMax)
{
    /// <summary>How long a server may say that it is busy.</summary>
    public TimeSpan BusyMax { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Repeats what fails with <see cref="TransientException"/> or <see cref="HttpRequestException"/>; any other exception passes.</summary>
    /// <param name="attempt">Its source cancels it when the server is silent: to be put off with whatever is heard.</param>
    /// <param name="bytes">What all attempts have brought: more than ever before, and failures are counted anew.</param>
    /// <param name="givenUp">Makes the last of so many failures, or of the busy answers, the exception that is thrown.</param>
    public async Task<T> WithRetries<T>(
        Func<CancellationTokenSource, Task<T>> attempt, Func<long> bytes, Func<int, Exception, Exception> givenUp, TimeProvider time, CancellationToken stop)
    {
        long most = bytes();
        long? busySince = null;
        for (int failures = 0; ;)
        {
            TimeSpan pause;
            try
            {
                return await Try(attempt, time, stop);
            }
            catch (TransientException busy) when (busy.RetryAfter is not null)
            {
                busySince ??= time.GetTimestamp();
                pause = time.GetElapsedTime(busySince.Value) > BusyMax ? throw givenUp(failures, busy) : busy.RetryAfter.Value;
            }
            catch (Exception failure) when (failure is TransientException or HttpRequestException)
            {
                busySince = null;
                failures = bytes() > most ? 0 : failures + 1;
                most = Math.Max(most, bytes());
                pause = failures >= AttemptsMax ? throw givenUp(failures, failure) : FirstPause * (1L << Math.Clamp(failures - 1, 0, 30));
                pause = pause < PauseMax ? pause : PauseMax;
            }

            await Task.Delay(pause, time, stop);
        }
    }

    private async Task<T> Try<T>(Func<CancellationTokenSource, Task<T>> attempt, TimeProvider time, CancellationToken stop)
    {
        using var silence = new CancellationTokenSource(SilenceMax, time);
        await using CancellationTokenRegistration stopped = stop.Register(silence.Cancel);
        try
        {
            return await attempt(silence);
        }
        catch (OperationCanceledException e) when (!stop.IsCancellationRequested)
        {
            throw new TransientException($"the server was silent for {SilenceMax.TotalSeconds:0.###} s", e);
        }
    }
}
