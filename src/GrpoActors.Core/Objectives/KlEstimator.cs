namespace GrpoActors.Core.Objectives;

/// <summary>One-sample estimates of KL(current, reference) and their derivatives.</summary>
public static class KlEstimator
{
    /// <summary>The estimate and its derivative with respect to <paramref name="logProb"/>.</summary>
    /// <param name="detached">The log-prob under the stop-gradient of a straight-through form; the same number as <paramref name="logProb"/> in training.</param>
    public static (double Value, double Derivative) Of(KlPart part, double logProb, double detached, double reference)
    {
        if (!part.StraightThrough)
            return Plain(part, logProb - reference);
        double d = logProb - reference, detachedD = detached - reference;
        return (Plain(part, detachedD).Value + 0.5 * d * d - 0.5 * detachedD * detachedD, d);
    }

    private static (double Value, double Derivative) Plain(KlPart part, double d)
    {
        switch (part.Form)
        {
            case KlForm.K1:
                return (d, 1);
            case KlForm.Abs:
                return (Math.Abs(d), Math.Sign(d));
            case KlForm.K2:
                return (0.5 * d * d, d);
            default:
                double x = Math.Clamp(-d, -part.InputClamp, part.InputClamp);
                double ratio = Transcendental.Exp(x), k3 = ratio - x - 1;
                bool inside = x == -d && k3 <= part.OutputClamp;
                return (Math.Min(k3, part.OutputClamp), inside ? 1 - ratio : 0);
        }
    }

    /// <summary>The form by verl's name: k1 (kl), abs, k2 (mse), k3 (low_var_kl), each with "+" for straight-through.</summary>
    /// <exception cref="ArgumentException">Another name.</exception>
    public static (KlForm Form, bool StraightThrough) Named(string name) => (name.TrimEnd('+') switch
    {
        "k1" or "kl" => KlForm.K1,
        "abs" => KlForm.Abs,
        "k2" or "mse" => KlForm.K2,
        "k3" or "low_var_kl" => KlForm.K3,
        _ => throw new ArgumentException($"kl_loss_type is '{name}', expected k1, abs, k2 or k3, or one of them followed by '+'."),
    }, name.EndsWith('+'));
}
