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

    /// <summary>True once for each armed fault of this kind: the occasion is here, and is felt at once.</summary>
    public bool Strikes(FaultKind kind, out Fault fault)
    {
        if (!Begins(kind, out fault))
        {
            return false;
        }

        Struck.Add(fault);
        return true;
    }

    /// <summary>True once for each armed fault of this kind: the occasion is here. Somebody has yet to feel it: <see cref="WhenFelt"/>.</summary>
    public bool Begins(FaultKind kind, out Fault fault)
    {
        fault = default;
        return armed.TryGetValue(kind, out Queue<Fault>? waiting) && waiting.TryDequeue(out fault);
    }

    /// <summary>For a fault that goes on for a while: called whenever somebody feels it, counts it once.</summary>
    public Action WhenFelt(Fault fault)
    {
        bool counted = false;
        return () =>
        {
            if (!counted)
            {
                counted = true;
                Struck.Add(fault);
            }
        };
    }
}
