namespace GrpoActors.Engine.Training;

/// <summary>Arrays of one micro-batch, grown to the largest seen and reused.</summary>
internal sealed class TokenBuffers
{
    private float[] _logProbs = [], _entropies = [], _dLogProb = [], _dEntropy = [], _behaviour = [], _reference = [], _proximal = [];
    private int[] _rowStarts = [];
    private double[] _advantages = [];
    private bool[] _mask = [];

    public TokenScores Current(int targets)
    {
        Of(ref _logProbs, targets);
        Of(ref _entropies, targets);
        return new TokenScores(_logProbs, _entropies);
    }

    public Span<float> LogProbGradient(int targets) => Of(ref _dLogProb, targets);

    public Span<float> EntropyGradient(int targets) => Of(ref _dEntropy, targets);

    public Span<float> Behaviour(int targets) => Of(ref _behaviour, targets);

    public Span<float> Reference(int targets) => Of(ref _reference, targets);

    public Span<float> Proximal(int targets) => Of(ref _proximal, targets);

    public Span<int> RowStarts(int length) => Of(ref _rowStarts, length);

    public Span<double> Advantages(int length) => Of(ref _advantages, length);

    public Span<bool> Mask(int targets) => Of(ref _mask, targets);

    private static Span<T> Of<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            array = new T[length + length / 8];
        }

        return array.AsSpan(0, length);
    }
}
