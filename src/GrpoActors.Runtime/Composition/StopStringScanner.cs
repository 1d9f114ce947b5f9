using System.Collections.Immutable;
using System.Text;
using GrpoActors.Engine;
using GrpoActors.Text;

namespace GrpoActors.Runtime.Composition;

/// <summary>Decodes one completion as it grows and looks for the stop strings in what is new.</summary>
public sealed class StopStringScanner(ITokenizer tokenizer, ImmutableArray<string> stops) : IStopScanner
{
    private readonly IStreamingDecoder decoder = tokenizer.Stream(skipSpecialTokens: false);
    private readonly int longest = stops.Max(stop => stop.Length);
    private readonly StringBuilder tail = new();

    public bool Accept(int token)
    {
        tail.Append(decoder.Push(token));
        string text = tail.ToString();
        if (stops.Any(stop => text.Contains(stop, StringComparison.Ordinal)))
        {
            return true;
        }

        if (tail.Length > longest)
        {
            tail.Remove(0, tail.Length - longest);
        }

        return false;
    }
}
