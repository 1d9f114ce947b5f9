namespace GrpoActors.Core.Objectives;

/// <summary>Loss and metrics of one optimiser update, summed over its rows in their order: the cut into micro-batches leaves no trace in any bit.</summary>
public sealed class ObjectiveSums(ObjectivePlan plan)
{
    private readonly MetricSums metrics = new(plan);

    public double Loss => PolicyLoss + KlLoss - EntropyBonus;

    public double PolicyLoss { get; private set; }

    /// <summary>Coefficient included.</summary>
    public double KlLoss { get; private set; }

    /// <summary>Coefficient included; subtracted in <see cref="Loss"/>.</summary>
    public double EntropyBonus { get; private set; }

    /// <summary>Divergence from the reference, coefficient not included, summed over the tokens that count; nats. 0 without a reference.</summary>
    public double Kl => metrics.Kl;

    /// <summary>Entropy, summed over the tokens that count; nats.</summary>
    public double Entropy => metrics.Entropy;

    /// <summary>Tokens that count.</summary>
    public double Tokens => metrics.Tokens;

    /// <summary>The metrics of all rows so far, under the names of the dialect.</summary>
    public ObjectiveMetrics Metrics() => metrics.Named(PolicyLoss, KlLoss, EntropyBonus);

    internal void Add(RowBuffer row, RowTerms terms)
    {
        PolicyLoss += terms.PolicyLoss;
        KlLoss += terms.KlLoss;
        EntropyBonus += terms.EntropyBonus;
        metrics.Add(row, terms);
    }
}
