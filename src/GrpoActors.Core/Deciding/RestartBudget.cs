namespace GrpoActors.Core.Deciding;

/// <summary>
/// How often a worker may fail and be started again: a bounded number of times, after a back-off that doubles. For every
/// <see cref="StepsPerForgiveness"/> steps that the run commits between two failures, one failure is forgiven.
/// </summary>
/// <param name="RestartsMax">0: the first failure exhausts it.</param>
/// <param name="Failures">Not yet forgiven, the latest included.</param>
/// <param name="CommittedAt">The run's committed steps at the latest failure, or when the worker began.</param>
public readonly record struct RestartBudget(int RestartsMax, int Failures, long CommittedAt)
{
    public const int StepsPerForgiveness = 10;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);
    private const int DoublingsMax = 20; // beyond the longest pause, short of an overflow

    /// <summary>The worker has failed too often and is not started again.</summary>
    public bool IsExhausted => Failures > RestartsMax;

    /// <summary>Before the worker is started again.</summary>
    public TimeSpan Pause => TimeSpan.FromTicks(Math.Min(FirstPause.Ticks << Math.Clamp(Failures - 1, 0, DoublingsMax), LongestPause.Ticks));

    public static RestartBudget Full(int restartsMax, long committedSteps) => new(restartsMax, 0, committedSteps);

    /// <summary>The budget after a failure.</summary>
    public RestartBudget After(long committedSteps)
    {
        long forgiven = Math.Max(0, committedSteps - CommittedAt) / StepsPerForgiveness; // a lost tail takes steps back
        return this with { Failures = (int)Math.Max(0, Failures - forgiven) + 1, CommittedAt = committedSteps };
    }
}
