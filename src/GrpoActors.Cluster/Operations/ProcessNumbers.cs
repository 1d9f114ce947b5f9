using System.Diagnostics;

namespace GrpoActors.Cluster.Operations;

/// <summary>What the process itself takes.</summary>
internal static class ProcessNumbers
{
    public static IEnumerable<MetricNumber> Now()
    {
        using var self = Process.GetCurrentProcess();
        yield return new MetricNumber("grpo_process_resident_bytes", "Memory of the process that is in RAM.", self.WorkingSet64);
        yield return new MetricNumber("grpo_process_cpu_seconds_total", "Processor time of all threads.", self.TotalProcessorTime.TotalSeconds);
        yield return new MetricNumber("grpo_process_threads", "Threads of the process.", self.Threads.Count);
        yield return new MetricNumber("grpo_process_managed_bytes", "Heap of the runtime after its last collection.", GC.GetTotalMemory(forceFullCollection: false));
        yield return new MetricNumber("grpo_process_allocated_bytes_total", "Bytes allocated since the start.", GC.GetTotalAllocatedBytes());
        yield return new MetricNumber("grpo_process_gc_pause_seconds_total", "Time that the collector held all threads.", GC.GetTotalPauseDuration().TotalSeconds);
        yield return new MetricNumber("grpo_process_gc_collections_total", "Collections of all generations.", GC.CollectionCount(0));
    }
}
