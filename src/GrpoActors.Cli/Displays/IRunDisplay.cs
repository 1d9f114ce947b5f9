using GrpoActors.Runtime.Reports;

namespace GrpoActors.Cli.Displays;

/// <summary>Shows a run while it goes. Used from one thread, but for <see cref="Say"/>.</summary>
internal interface IRunDisplay
{
    /// <summary>Shows each report as it comes; ends with the stream.</summary>
    Task Watch(IAsyncEnumerable<StepReport> reports);

    /// <summary>A sentence beside the steps. Thread-safe.</summary>
    void Say(string sentence);
}
