using System.Diagnostics.Metrics;

namespace GrpoActors.Actors.Tests;

/// <summary>What an instrument has counted since this listens.</summary>
internal sealed class Counted : IDisposable
{
    private readonly MeterListener listener = new();
    private long sum;

    public Counted(Instrument instrument)
    {
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref sum, value));
        listener.EnableMeasurementEvents(instrument);
    }

    public long Sum => Interlocked.Read(ref sum);

    public void Dispose() => listener.Dispose();
}
