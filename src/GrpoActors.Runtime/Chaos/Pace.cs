namespace GrpoActors.Runtime.Chaos;

/// <summary>
/// How long a process lives that comes to a run's end. Measured by the undisturbed run, on a machine whose load and speed may be others later: so it follows what happens.
/// Moments are planned as shares of it. Thread-safe.
/// </summary>
internal sealed class Pace(TimeSpan measured)
{
    private const double Shorter = 0.8, Longer = 1.25, FarthestFactor = 32;

    private readonly Lock _lock = new();
    private readonly TimeSpan _least = measured / FarthestFactor, _most = measured * FarthestFactor;
    private TimeSpan _now = measured;

    public TimeSpan Now
    {
        get
        {
            lock (_lock)
            {
                return _now;
            }
        }
    }

    /// <summary>A process has gone all the way, undisturbed.</summary>
    public void Measured(TimeSpan lived) => Set(_ => lived);

    /// <summary>The process had ended before its moment came.</summary>
    public void CameTooLate() => Set(now => now * Shorter);

    /// <summary>The process was killed before it had made anything durable.</summary>
    public void CameTooEarly() => Set(now => now * Longer);

    private void Set(Func<TimeSpan, TimeSpan> next)
    {
        lock (_lock)
        {
            TimeSpan asked = next(_now);
            _now = asked < _least ? _least : asked > _most ? _most : asked;
        }
    }
}
