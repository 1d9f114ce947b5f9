using System.Diagnostics;

namespace GrpoActors.Cluster.Operations;

/// <summary>What the process itself takes.</summary>
internal static class ProcessNumbers
{
    public static IEnumerable<(string Name, string Help, double Value)> Now()
    {
        using var self = Process.GetCurrentProcess();
        yield return ("grpo.process.resident.bytes", "Memory of the process that is in RAM.", self.WorkingSet64);
        yield return ("grpo.process.cpu.seconds.total", "Processor time of all threads.", self.TotalProcessorTime.TotalSeconds);
        yield return ("grpo.process.threads", "Threads of the process.", self.Threads.Count);
        yield return ("grpo.process.managed.bytes", "Heap of the runtime after its last collection.", GC.GetTotalMemory(forceFullCollection: false));
        yield return ("grpo.process.allocated.bytes.total", "Bytes allocated since the start.", GC.GetTotalAllocatedBytes());
        yield return ("grpo.process.gc.pause.seconds.total", "Time that the collector held all threads.", GC.GetTotalPauseDuration().TotalSeconds);
        yield return ("grpo.process.gc.collections.total", "Collections of all generations.", GC.CollectionCount(0));
    }
}
