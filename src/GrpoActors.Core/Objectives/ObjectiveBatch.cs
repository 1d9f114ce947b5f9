namespace GrpoActors.Core.Objectives;

/// <summary>Completions, packed: the tokens of row i are <c>RowStarts[i] .. RowStarts[i + 1]</c> of every token array. No padding.</summary>
/// <typeparam name="T">float or double: how the caller stores numbers. All arithmetic is done in double.</typeparam>
/// <remarks>A micro-batch or the whole update. Views only: nothing is copied, nothing kept.</remarks>
public readonly ref struct ObjectiveBatch<T> where T : System.Numerics.IFloatingPointIeee754<T>
{
    /// <summary>Shape [R + 1]; first 0, last N; not descending. A row may be empty.</summary>
    public required ReadOnlySpan<int> RowStarts { get; init; }

    /// <summary>Shape [N]: log-probs under the policy that is being trained. Empty in a survey before the forward pass.</summary>
    public ReadOnlySpan<T> LogProbs { get; init; }

    /// <summary>Shape [N]: log-probs under the policy that the ratio divides by (the behaviour policy at lag 0). Empty: the current ones, without a gradient, so the ratio is 1.</summary>
    public ReadOnlySpan<T> Old { get; init; }

    /// <summary>Shape [N]: what the sampler itself recorded; needed by <see cref="MismatchPart"/> and <see cref="RejectionPart"/>, and used by the off-policy mask.</summary>
    public ReadOnlySpan<T> Sampling { get; init; }

    /// <summary>Shape [N]: log-probs under the proximal policy of the decoupled objective (arXiv:2505.24298); needed if <see cref="ObjectivePlan.Decoupled"/>.</summary>
    public ReadOnlySpan<T> Proximal { get; init; }

    /// <summary>Shape [N]: log-probs under the reference policy; needed if the KL coefficient is not 0.</summary>
    public ReadOnlySpan<T> Reference { get; init; }

    /// <summary>Shape [N]: entropy of the distribution that each token was drawn from, in nats; needed by a bonus or a quantile, else only reported.</summary>
    public ReadOnlySpan<T> Entropies { get; init; }

    /// <summary>Shape [N]: false for tokens that do not count (tool output, truncated rows). Empty: all count.</summary>
    public ReadOnlySpan<bool> Mask { get; init; }

    /// <summary>Shape [R], or [N] with <see cref="PerToken"/>.</summary>
    public required ReadOnlySpan<double> Advantages { get; init; }

    /// <summary>Each token has an advantage of its own.</summary>
    public bool PerToken { get; init; }

    /// <summary>Shape [R]: a number that names each row whatever the cut and the order of the update (of its completion's id, say). Needed only if
    /// <see cref="ObjectivePlan.NeedsWholeUpdate"/>; empty numbers the rows from <see cref="FirstRow"/> on.</summary>
    public ReadOnlySpan<long> RowKeys { get; init; }

    /// <summary>Index within the update of this batch's first row, where there are no <see cref="RowKeys"/>.</summary>
    public int FirstRow { get; init; }

    /// <summary>Shape [N]: the log-probs that stand under every stop-gradient. Empty: <see cref="LogProbs"/>. Given apart, the loss is a plain function of
    /// <see cref="LogProbs"/> whose derivative is the gradient, which is how the tests differentiate it.</summary>
    public ReadOnlySpan<T> DetachedLogProbs { get; init; }

    internal int Rows => RowStarts.Length - 1;

    internal long Key(int row) => RowKeys.IsEmpty ? FirstRow + row : RowKeys[row];

    internal void Check(ObjectivePlan plan, bool survey)
    {
        if (RowStarts.Length == 0 || RowStarts[0] != 0)
            throw new ArgumentException("RowStarts must begin with 0 and have one entry more than there are rows.");
        int n = RowStarts[^1];
        for (int i = 0; i < Rows; i++)
        {
            if (RowStarts[i] > RowStarts[i + 1])
                throw new ArgumentException($"RowStarts descends from {RowStarts[i]} to {RowStarts[i + 1]} at row {i}.");
        }
        bool current = !survey || plan.NeedsWholeUpdate;
        Length("log-probs", LogProbs.Length, n, required: current);
        Length("old log-probs", Old.Length, n, required: false);
        Length("sampling log-probs", Sampling.Length, n, plan.Mismatch is not null && !plan.Decoupled || plan.Rejections.Length > 0 && !plan.Decoupled);
        Length("proximal log-probs", Proximal.Length, n, plan.Decoupled);
        Length("reference log-probs", Reference.Length, n, !survey && plan.Kl.Coefficient != 0);
        Length("entropies", Entropies.Length, n, current && (plan.Entropy.TopQuantile < 1 || !survey && plan.Entropy.Coefficient != 0));
        Length("mask entries", Mask.Length, n, required: false);
        Length("detached log-probs", DetachedLogProbs.Length, n, required: false);
        if (!RowKeys.IsEmpty && RowKeys.Length != Rows)
            throw new ArgumentException($"{RowKeys.Length} row keys came with {Rows} rows.");
        if (Advantages.Length != (PerToken ? n : Rows))
            throw new ArgumentException($"{Advantages.Length} advantages came with {Rows} rows of {n} tokens; one a {(PerToken ? "token" : "row")} was expected.");
    }

    private static void Length(string what, int found, int expected, bool required)
    {
        if (found != expected && (required || found != 0))
            throw new ArgumentException($"{found} {what} came with {expected} tokens{(required ? "; this objective needs them" : "")}.");
    }
}

/// <summary>A NaN or an infinity reached the objective at a token that counts. Nothing has been learned from it.</summary>
/// <param name="row">Row within the batch that was handed in.</param>
/// <param name="token">Token within the row; -1 when the row as a whole is meant.</param>
/// <param name="quantity">Which number it was.</param>
public sealed class NonFiniteTokenException(int row, int token, string quantity, double value)
    : Exception($"The {quantity} of {(token < 0 ? "" : $"token {token} of ")}row {row} is {value}; a finite number was expected. Nothing was learned from this step.")
{
    public int Row { get; } = row;

    public int Token { get; } = token;

    public string Quantity { get; } = quantity;

    public double Value { get; } = value;
}
