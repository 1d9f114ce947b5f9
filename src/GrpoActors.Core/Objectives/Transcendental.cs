using GrpoActors.Exact;

namespace GrpoActors.Core.Objectives;

/// <summary>The one door through which objectives, advantages and schedules reach transcendental functions, so that a result has the same
/// bits on every machine.</summary>
internal static class Transcendental
{
    public static double Exp(double x) => Elementary.Exp(x);
    public static double Log(double x) => Elementary.Log(x);
    public static double Cos(double x) => Elementary.Cos(x);
    public static double Pow(double x, double y) => Elementary.Pow(x, y);

    /// <summary>1 / (1 + e^-x), without overflow on either side.</summary>
    public static double Sigmoid(double x)
    {
        double e = Exp(-Math.Abs(x));
        return x >= 0 ? 1 / (1 + e) : e / (1 + e);
    }

    /// <summary>log sigmoid(x) = min(x, 0) - log(1 + e^-|x|): no overflow, absolute error below 2e-16.</summary>
    public static double LogSigmoid(double x) => Math.Min(x, 0) - Log(1 + Exp(-Math.Abs(x)));
}
