using GrpoActors.Core.Objectives;

namespace GrpoActors.Core.Preferences;

/// <summary>A loss of one pair and its derivatives with respect to the two scores and the two log-ratios.</summary>
internal readonly record struct PairSlope(double Value, double ScoreW, double ScoreL, double RatioW, double RatioL)
{
    /// <summary>A loss of the difference of the scores.</summary>
    public static PairSlope OfDifference(double value, double slope) => new(value, slope, -slope, 0, 0);
}

/// <summary>One pair: scores, log-ratios, tokens of the chosen (W) and the rejected (L) completion.</summary>
internal readonly record struct PairPoint(double ScoreW, double ScoreL, double RatioW, double RatioL, int TokensW, int TokensL)
{
    public PairSlope Of(PreferenceLoss loss, PreferencePlan plan)
    {
        double beta = plan.Beta, e = plan.LabelSmoothing, x = beta * (ScoreW - ScoreL);
        switch (loss)
        {
            case PreferenceLoss.Sigmoid:
                return PairSlope.OfDifference(-LogSigmoid(x), -beta * Sigmoid(-x));
            case PreferenceLoss.Hinge:
                return PairSlope.OfDifference(Math.Max(0, 1 - x), x < 1 ? -beta : 0);
            case PreferenceLoss.Ipo:
                return PerToken((d, b) => ((d - 1 / (2 * b)) * (d - 1 / (2 * b)), 2 * (d - 1 / (2 * b))), beta);
            case PreferenceLoss.SigmoidNorm:
                return PerToken((d, b) => (-LogSigmoid(b * d), -b * Sigmoid(-b * d)), beta);
            case PreferenceLoss.ExoPair:
                return Exo(x, beta, e);
            case PreferenceLoss.NcaPair:
                double w = beta * ScoreW, l = beta * ScoreL;
                return new(-LogSigmoid(w) - 0.5 * LogSigmoid(-w) - 0.5 * LogSigmoid(-l), beta * (-Sigmoid(-w) + 0.5 * Sigmoid(w)), 0.5 * beta * Sigmoid(l), 0, 0);
            case PreferenceLoss.Robust:
                return PairSlope.OfDifference((-(1 - e) * LogSigmoid(x) + e * LogSigmoid(-x)) / (1 - 2 * e), -beta * ((1 - e) * Sigmoid(-x) + e * Sigmoid(x)) / (1 - 2 * e));
            case PreferenceLoss.BcoPair:
                return new(-LogSigmoid(beta * ScoreW) - LogSigmoid(-beta * ScoreL), -beta * Sigmoid(-beta * ScoreW), beta * Sigmoid(beta * ScoreL), 0, 0);
            case PreferenceLoss.SppoHard:
                double win = ScoreW - 0.5 / beta, lose = ScoreL + 0.5 / beta;
                return new(win * win + lose * lose, 2 * win, 2 * lose, 0, 0);
            case PreferenceLoss.ApoZero:
                double pw = Sigmoid(beta * RatioW), pl = Sigmoid(beta * RatioL);
                return new(1 - pw + pl, 0, 0, -beta * pw * (1 - pw), beta * pl * (1 - pl));
            case PreferenceLoss.ApoDown:
                double p = Sigmoid(beta * RatioW), q = Sigmoid(x), perD = -beta * q * (1 - q);
                return new(p + 1 - q, perD, -perD, beta * p * (1 - p), 0);
            case PreferenceLoss.Discopop:
                return Discopop(x, beta, plan.DiscopopTau);
            default:
                throw new InvalidOperationException($"{loss} is no loss of single pairs.");
        }
    }

    /// <summary>DPO with label smoothing e on a margin d; AOT's loss of sorted margins.</summary>
    public static (double Value, double Slope) Smoothed(double d, PreferencePlan plan)
    {
        double x = plan.Beta * d, e = plan.LabelSmoothing;
        return (-LogSigmoid(x) * (1 - e) - LogSigmoid(-x) * e, plan.Beta * (-Sigmoid(-x) * (1 - e) + Sigmoid(x) * e));
    }

    private PairSlope PerToken(Func<double, double, (double Value, double Slope)> loss, double beta)
    {
        double nw = Math.Max(1, TokensW), nl = Math.Max(1, TokensL);
        var (value, slope) = loss(ScoreW / nw - ScoreL / nl, beta);
        return new(value, slope / nw, -slope / nl, 0, 0);
    }

    private static PairSlope Exo(double x, double beta, double e)
    {
        double qw = Sigmoid(x), ql = Sigmoid(-x), excessW = LogSigmoid(x) - Transcendental.Log(1 - e), excessL = LogSigmoid(-x) - Transcendental.Log(e);
        // d/dx of qw excessW + ql excessL; the derivatives of the logs cancel: qw ql - ql qw.
        return PairSlope.OfDifference(qw * excessW + ql * excessL, beta * qw * ql * (excessW - excessL));
    }

    private static PairSlope Discopop(double x, double beta, double tau)
    {
        double blend = Sigmoid(x / tau), logistic = -LogSigmoid(x), exponential = Transcendental.Exp(-x);
        double slope = -Sigmoid(-x) * (1 - blend) - exponential * blend + blend * (1 - blend) / tau * (exponential - logistic);
        return PairSlope.OfDifference(logistic * (1 - blend) + exponential * blend, beta * slope);
    }

    private static double Sigmoid(double x) => Transcendental.Sigmoid(x);

    private static double LogSigmoid(double x) => Transcendental.LogSigmoid(x);
}
