using GrpoActors.Numerics;

namespace GrpoActors.Engine.Cpu;

/// <summary>Final norm, output head and log-probs of the scored rows, in chunks: the logits of all rows are never held at once.</summary>
internal sealed class Head(int d, int vocabulary, float epsilon, ThreadTeam team) : IDisposable
{
    /// <summary>Largest chunk of logits, 151 MB: a chunk costs a reading of the head and of its gradient, and all but the first are computed again in the backward pass.</summary>
    private const int ChunkFloats = 9 << 22;

    private readonly FloatBuffer _stream = new(), _normed = new(), _invRms = new(), _logits = new(), _dNormed = new(), _dStream = new();
    private SoftmaxRow[] _softmax = [];
    private int _rows;
    private int _chunkHeld = -1; // the chunk whose logits still lie in the buffer

    private int ChunkRowsMax => Math.Max(1, ChunkFloats / vocabulary);

    private int Chunks => (_rows + ChunkRowsMax - 1) / ChunkRowsMax;

    /// <summary>Memory held.</summary>
    public long Bytes => Buffers.Sum(buffer => buffer.Bytes);

    private IEnumerable<FloatBuffer> Buffers => [_stream, _normed, _invRms, _logits, _dNormed, _dStream];

    /// <summary>Memory that forward and backward take: four streams of the scored rows, and a chunk of logits.</summary>
    public static long BytesOf(ModelSpec spec, long scored)
        => sizeof(float) * (scored * (4L * spec.HiddenSize + 1) + Math.Min(scored, Math.Max(1, ChunkFloats / spec.VocabularySize)) * spec.VocabularySize);

    /// <summary>Gives the memory back; nothing of the last forward pass is left.</summary>
    public void Release()
    {
        _chunkHeld = -1;
        foreach (FloatBuffer buffer in Buffers)
        {
            buffer.Release();
        }
    }

    /// <summary>Log-probs and entropies of the targets.</summary>
    /// <param name="stream_TD">Residual stream after the last layer.</param>
    /// <param name="scoredRow_S">Rows of it that predict the targets.</param>
    public void Forward(PackedPolicy policy, ReadOnlySpan<float> stream_TD, ReadOnlySpan<int> scoredRow_S, ReadOnlySpan<int> target_S, float temperature, Span<float> logProb_S, Span<float> entropy_S)
    {
        _rows = scoredRow_S.Length;
        _chunkHeld = -1;
        if (_softmax.Length < _rows)
        {
            _softmax = new SoftmaxRow[_rows + _rows / 8];
        }

        Span<float> stream_SD = _stream.AtLeast(_rows, d);
        for (int i = 0; i < _rows; i++)
        {
            stream_TD.Slice(scoredRow_S[i] * d, d).CopyTo(stream_SD[(i * d)..]);
        }

        RmsNorm.Forward(stream_SD, policy.FinalNorm_D, epsilon, _normed.AtLeast(_rows, d), _invRms.AtLeast(_rows), team);
        for (int chunk = Chunks - 1; chunk >= 0; chunk--) // so that the first one lies there when the backward pass begins
        {
            (int start, int count) = Span(chunk);
            LogProbs.Forward(
                Logits(policy, chunk), target_S.Slice(start, count), temperature, logProb_S.Slice(start, count), entropy_S.Slice(start, count), _softmax.AsSpan(start, count), team);
        }
    }

    /// <summary>From coefficients on log-probs and entropies to the gradient of the stream; adds to the gradients of head and final norm. Uses up the last forward pass.</summary>
    /// <param name="dStream_TD">Written: 0 in rows that predict nothing that is scored.</param>
    public void Backward(
        PackedPolicy policy, ReadOnlySpan<int> scoredRow_S, ReadOnlySpan<int> target_S, float temperature, ReadOnlySpan<float> dLogProb_S, ReadOnlySpan<float> dEntropy_S,
        Span<float> dHead_VD, Span<float> dFinalNorm_D, Span<float> dStream_TD)
    {
        Span<float> normed_SD = _normed.AtLeast(_rows, d), dNormed_SD = _dNormed.AtLeast(_rows, d), dStream_SD = _dStream.AtLeast(_rows, d);
        for (int chunk = 0; chunk < Chunks; chunk++)
        {
            (int start, int count) = Span(chunk);
            Span<float> logits_CV = Logits(policy, chunk);
            _chunkHeld = -1;
            LogProbs.Backward(
                logits_CV, target_S.Slice(start, count), temperature, _softmax.AsSpan(start, count), dLogProb_S.Slice(start, count),
                dEntropy_S.IsEmpty ? [] : dEntropy_S.Slice(start, count), team);
            Gemm.WeightGradient(logits_CV, vocabulary, normed_SD.Slice(start * d, count * d), d, dHead_VD, vocabulary, d, count, team);
            Gemm.InputGradient(logits_CV, policy.Head, dNormed_SD.Slice(start * d, count * d), team);
        }

        RmsNorm.Backward(_stream.AtLeast(_rows, d), policy.FinalNorm_D, _invRms.AtLeast(_rows), dNormed_SD, dStream_SD, dFinalNorm_D, accumulate: false, team);
        dStream_TD.Clear();
        for (int i = 0; i < _rows; i++)
        {
            dStream_SD.Slice(i * d, d).CopyTo(dStream_TD[(scoredRow_S[i] * d)..]);
        }
    }

    public void Dispose()
    {
        foreach (FloatBuffer buffer in Buffers)
        {
            buffer.Dispose();
        }
    }

    /// <summary>Chunks of nearly equal size: a small one would read the whole head for a few rows.</summary>
    private (int Start, int Count) Span(int chunk)
    {
        int start = (int)((long)_rows * chunk / Chunks);
        return (start, (int)((long)_rows * (chunk + 1) / Chunks) - start);
    }

    private Span<float> Logits(PackedPolicy policy, int chunk)
    {
        (int start, int count) = Span(chunk);
        Span<float> logits_CV = _logits.AtLeast(Math.Min(ChunkRowsMax, _rows), vocabulary)[..(count * vocabulary)];
        if (_chunkHeld != chunk)
        {
            Gemm.Forward(_normed.AtLeast(_rows, d).Slice(start * d, count * d), policy.Head, logits_CV, team);
            _chunkHeld = chunk;
        }

        return logits_CV;
    }
}
