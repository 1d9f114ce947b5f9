using System.Diagnostics.Metrics;

namespace GrpoActors.Cluster.Operations;

/// <summary>Keeps the numbers of one meter, whatever their tags: counters as sums, histograms as sum and count, gauges as they are when asked. Thread-safe.</summary>
internal sealed class MeterNumbers : IDisposable
{
    private readonly Lock gate = new();
    private readonly SortedDictionary<string, Number> numbers = new(StringComparer.Ordinal);
    private readonly MeterListener listener = new();

    public MeterNumbers(Meter meter)
    {
        listener.InstrumentPublished = (instrument, listening) =>
        {
            if (ReferenceEquals(instrument.Meter, meter))
            {
                var number = new Number(instrument);
                lock (gate)
                {
                    numbers.Add(NameOf(instrument), number);
                }

                listening.EnableMeasurementEvents(instrument, number);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, value, _, number) => ((Number)number!).Add(value));
        listener.SetMeasurementEventCallback<long>((_, value, _, number) => ((Number)number!).Add(value));
        listener.Start();
    }

    /// <summary>By name; an instrument that is observed and has nothing to say is left out.</summary>
    public IReadOnlyList<MetricNumber> Read()
    {
        lock (gate)
        {
            foreach (Number number in numbers.Values)
            {
                number.Forget();
            }

            listener.RecordObservableInstruments();
            return [.. numbers.SelectMany(pair => pair.Value.Read(pair.Key))];
        }
    }

    /// <summary>The name in Prometheus: <c>grpo.append.duration</c> in seconds is <c>grpo_append_duration_seconds</c>.</summary>
    public static string NameOf(Instrument instrument) =>
        $"{instrument.Name.Replace('.', '_').Replace('-', '_')}{instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" }}{(IsCounter(instrument) ? "_total" : "")}";

    public void Dispose() => listener.Dispose();

    private static bool IsCounter(Instrument instrument) => instrument is Counter<long> or Counter<double> or ObservableCounter<long> or ObservableCounter<double>;

    private sealed class Number(Instrument instrument)
    {
        private readonly Lock gate = new();
        private double sum;
        private long count;

        public void Add(double value)
        {
            lock (gate)
            {
                sum += value;
                count++;
            }
        }

        /// <summary>What is observed is told anew.</summary>
        public void Forget()
        {
            lock (gate)
            {
                (sum, count) = instrument.IsObservable ? (0, 0) : (sum, count);
            }
        }

        public IEnumerable<MetricNumber> Read(string name)
        {
            lock (gate)
            {
                return instrument.IsObservable && count == 0 ? []
                    : [new MetricNumber(name, instrument.Description ?? "", sum, instrument is Histogram<double> or Histogram<long> ? count : null)];
            }
        }
    }
}
