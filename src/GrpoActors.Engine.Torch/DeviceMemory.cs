using System.Runtime.InteropServices;

namespace GrpoActors.Engine.Torch;

/// <summary>libtorch's complaint that a device's memory is exhausted, as a sentence with what helps.</summary>
internal static class DeviceMemory
{
    public static bool IsExhausted(ExternalException failure) => failure.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
        || failure.Message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase);

    public static InsufficientMemoryException Exhausted(string what, ExternalException failure) => new(
        $"The device's memory is exhausted while {what}. Lower micro_batch_tokens, set gradient_checkpointing to true, or lower groups_per_ticket, and start the same command again: "
        + "the run goes on where it was. (dtype bfloat16, fewer completions or a smaller model make another run.)",
        failure);
}
