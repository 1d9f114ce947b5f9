using GrpoActors.Engine;
using GrpoActors.Text;

namespace GrpoActors.Cli.Models;

/// <summary>Writes one completion as it grows: a scanner for stop strings sees each token as soon as it is drawn.</summary>
internal sealed class WritingScanner(ITokenizer tokenizer, TextWriter to, IStopScanner? stops) : IStopScanner
{
    private readonly IStreamingDecoder _decoder = tokenizer.Stream(skipSpecialTokens: true);

    public bool Accept(int token)
    {
        to.Write(_decoder.Push(token));
        to.Flush();
        return stops?.Accept(token) ?? false;
    }

    /// <summary>Writes what is left and ends the line.</summary>
    public void Finish() => to.WriteLine(_decoder.Finish());
}
