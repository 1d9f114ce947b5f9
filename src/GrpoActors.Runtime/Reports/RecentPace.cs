namespace GrpoActors.Runtime.Reports;

/// <summary>How fast the phase goes: means over its last steps.</summary>
public sealed class RecentPace
{
    private const int StepsMax = 20;
    private readonly Queue<(long Tokens, TimeSpan Elapsed)> _steps = new();
    private string _phase = "";

    public void Add(StepReport report)
    {
        if (report.Phase != _phase)
        {
            _phase = report.Phase;
            _steps.Clear();
        }

        _steps.Enqueue((report.Tokens, report.Elapsed));
        if (_steps.Count > StepsMax)
        {
            _steps.Dequeue();
        }
    }

    private double Seconds => _steps.Sum(step => step.Elapsed.TotalSeconds);

    public double TokensPerSecond => Seconds > 0 ? _steps.Sum(step => step.Tokens) / Seconds : 0;

    /// <summary>To the end of the phase.</summary>
    public TimeSpan Remaining(StepReport report) =>
        _steps.Count == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(Seconds / _steps.Count * (report.Steps - report.Step));
}
