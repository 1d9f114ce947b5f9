using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Schedules;

/// <summary>The learning rate of a step as a pure function of the step: no state to save, none to restore.</summary>
/// <remarks>Names, settings and values are those of Hugging Face transformers 5.23 (<c>lr_scheduler_type</c>, <c>lr_scheduler_kwargs</c>).</remarks>
public sealed record LearningRateSchedule
{
    /// <summary>The names that <see cref="Kind"/> may have, as a run file writes them.</summary>
    public static readonly IReadOnlyList<string> Names =
    [
        "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_min_lr", "polynomial", "warmup_stable_decay",
        "cosine_with_restarts", "inverse_sqrt",
    ];

    /// <summary>One of <see cref="Names"/>. Default <c>constant</c>.</summary>
    public string Kind { get; init; } = "constant";

    /// <summary>The peak, reached at the end of the warm-up; &gt;= 0.</summary>
    public required double LearningRate { get; init; }

    /// <summary><c>warmup_steps</c>: steps that rise linearly from 0 (or from the floor, in <c>warmup_stable_decay</c>); ignored by <c>constant</c>.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Steps of the whole phase, warm-up included.</summary>
    public required int TotalSteps { get; init; }

    /// <summary><c>num_cycles</c>: cosine waves after the warm-up; default 0.5 (half a wave, down to the floor), 1 for restarts.</summary>
    public double? NumCycles { get; init; }

    /// <summary><c>min_lr_rate</c> or <c>min_lr_ratio</c>: floor as a share of <see cref="LearningRate"/>.</summary>
    public double? MinLrRate { get; init; }

    /// <summary><c>min_lr</c>: floor as a rate; <see cref="MinLrRate"/> wins when both are given.</summary>
    public double? MinLr { get; init; }

    /// <summary><c>power</c> of the polynomial; default 1.</summary>
    public double Power { get; init; } = 1;

    /// <summary><c>lr_end</c>: where the polynomial ends; default 1e-7.</summary>
    public double LrEnd { get; init; } = 1e-7;

    /// <summary><c>num_decay_steps</c> of <c>warmup_stable_decay</c>; the stable stretch is what remains. Default: a tenth of the steps.</summary>
    public int? NumDecaySteps { get; init; }

    /// <summary><c>timescale</c> of <c>inverse_sqrt</c>; default the warm-up, or 10,000 without one.</summary>
    public int? Timescale { get; init; }

    /// <summary>The rate that step <paramref name="step"/> uses; the first step is 0, so a warm-up starts at rate 0.</summary>
    /// <exception cref="ArgumentException">The name is none of <see cref="Names"/>.</exception>
    public double At(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        return LearningRate * Factor(step);
    }

    private double Factor(int step) => Kind switch
    {
        "constant" => 1,
        "warmup_stable_decay" => WarmupStableDecay(step),
        _ when !Names.Contains(Kind) => throw new ArgumentException(
            $"lr_scheduler_type is '{Kind}', expected one of {string.Join(", ", Names)}."),
        _ when step < WarmupSteps => (double)step / Math.Max(1, WarmupSteps),
        "constant_with_warmup" => 1,
        "linear" => Math.Max(0.0, (double)(TotalSteps - step) / Math.Max(1, TotalSteps - WarmupSteps)),
        "cosine" => HalfCosine(Progress(step) * (NumCycles ?? 0.5) * 2),
        "cosine_with_min_lr" => Math.Max(0.0, AboveFloor(HalfCosine(Progress(step) * (NumCycles ?? 0.5) * 2))),
        "cosine_with_restarts" => Progress(step) >= 1 ? 0 : HalfCosine((NumCycles ?? 1) * Progress(step) % 1.0),
        "polynomial" => Polynomial(step),
        _ => InverseSquareRoot(step),
    };

    private double Progress(int step) => (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps);

    private static double HalfCosine(double turn) => Math.Max(0.0, 0.5 * (1.0 + Transcendental.Cos(Math.PI * turn)));

    private double Floor => MinLrRate ?? (MinLr / LearningRate) ?? 0;

    private double AboveFloor(double factor) => factor * (1 - Floor) + Floor;

    private double WarmupStableDecay(int step)
    {
        int decay = NumDecaySteps ?? TotalSteps / 10, stable = TotalSteps - WarmupSteps - decay;
        if (step < WarmupSteps)
            return Math.Max(0.0, AboveFloor((double)step / Math.Max(1, WarmupSteps)));
        if (step < WarmupSteps + stable)
            return 1;
        if (step >= WarmupSteps + stable + decay)
            return Floor;
        double progress = (double)(step - WarmupSteps - stable) / Math.Max(1, decay);
        return Math.Max(0.0, AboveFloor(HalfCosine((NumCycles ?? 0.5) * 2 * progress)));
    }

    private double Polynomial(int step)
    {
        if (step > TotalSteps)
            return LrEnd / LearningRate;
        double remaining = 1 - (double)(step - WarmupSteps) / (TotalSteps - WarmupSteps);
        double power = Power == 1 ? remaining : Power == 2 ? remaining * remaining : Transcendental.Pow(remaining, Power);
        return ((LearningRate - LrEnd) * power + LrEnd) / LearningRate;
    }

    private double InverseSquareRoot(int step)
    {
        int timescale = Timescale ?? (WarmupSteps > 0 ? WarmupSteps : 10_000);
        int shift = timescale - WarmupSteps;
        return 1 / Math.Sqrt((double)(step + shift) / timescale);
    }
}
