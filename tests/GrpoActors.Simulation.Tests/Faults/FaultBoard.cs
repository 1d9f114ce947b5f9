namespace GrpoActors.Simulation.Tests.Faults;

/// <summary>The faults of one simulation: armed in the order of the list, struck once each, counted when they took effect.</summary>
internal sealed class FaultBoard(IReadOnlyList<Fault> faults)
{
    private readonly Dictionary<FaultKind, Queue<Fault>> armed = [];
    private readonly Fault[] planned = [.. faults.OrderBy(fault => fault.At)];
    private int next;

    public List<Fault> Struck { get; } = [];

    /// <summary>The faults that are due; those that lie in wait are kept for <see cref="Strikes"/>.</summary>
    public bool TryArm(int events, out Fault fault)
    {
        fault = default;
        if (next == planned.Length || planned[next].At > events)
        {
            return false;
        }

        fault = planned[next++];
        return true;
    }

    public void LieInWait(Fault fault)
    {
        if (!armed.TryGetValue(fault.Kind, out Queue<Fault>? waiting))
        {
            armed[fault.Kind] = waiting = new();
        }

        waiting.Enqueue(fault);
    }

    public bool IsArmed(FaultKind kind) => armed.TryGetValue(kind, out Queue<Fault>? waiting) && waiting.Count > 0;

    /// <summary>True once for each armed fault of this kind: the occasion is here.</summary>
    public bool Strikes(FaultKind kind, out Fault fault)
    {
        fault = default;
        if (!armed.TryGetValue(kind, out Queue<Fault>? waiting) || !waiting.TryDequeue(out fault))
        {
            return false;
        }

        Struck.Add(fault);
        return true;
    }
}
