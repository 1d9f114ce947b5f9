using GrpoActors.Simulation.Tests.Faults;

namespace GrpoActors.Simulation.Tests.World;

/// <summary>Carries messages between processes: late, twice, out of order, or not at all.</summary>
internal sealed class Network(SimulatedRun simulation)
{
    private readonly Dictionary<Process, (TimeSpan Until, Action Felt)> cutOff = [];
    private readonly Dictionary<(Process, Process), TimeSpan> latest = [];
    private int generation;

    /// <summary>All that is under way is lost, as when a machine loses its power.</summary>
    public void Reset() => generation++;

    /// <summary>Nothing passes between this process and the decider.</summary>
    /// <param name="felt">Called for each message that is lost by it.</param>
    public void CutOff(Process process, TimeSpan length, Action felt) => cutOff[process] = (simulation.Now + length, felt);

    public void Send(Process from, Process to, Action deliver)
    {
        if (IsCutOff(from) || IsCutOff(to) || simulation.Strikes(FaultKind.LoseMessage, out _))
        {
            return;
        }

        TimeSpan arrival = simulation.Now + TimeSpan.FromMilliseconds(1 + simulation.Random.Next(20)); // in order, as long as nothing disturbs
        arrival = latest.TryGetValue((from, to), out TimeSpan last) && last > arrival ? last : arrival;
        latest[(from, to)] = arrival;
        TimeSpan delay = arrival - simulation.Now;
        if (simulation.Strikes(FaultKind.DelayMessage, out Fault late))
        {
            delay += TimeSpan.FromSeconds(5 + (late.Choice % 90));
            simulation.QuietUntil(simulation.Now + delay);
        }
        else if (simulation.Strikes(FaultKind.ReorderMessage, out Fault overtaken))
        {
            delay += TimeSpan.FromMilliseconds(100 + (overtaken.Choice % 3000));
        }

        Carry(to, deliver, delay);
        if (simulation.Strikes(FaultKind.DuplicateMessage, out Fault twice))
        {
            TimeSpan again = delay + TimeSpan.FromMilliseconds(twice.Choice % 20_000);
            simulation.QuietUntil(simulation.Now + again);
            Carry(to, deliver, again);
        }
    }

    private void Carry(Process to, Action deliver, TimeSpan delay)
    {
        int mine = generation;
        simulation.After(delay, () =>
        {
            if (mine == generation)
            {
                to.Deliver(deliver);
            }
        });
    }

    private bool IsCutOff(Process process)
    {
        if (!cutOff.TryGetValue(process, out var one) || simulation.Now >= one.Until)
        {
            return false;
        }

        one.Felt();
        return true;
    }
}
