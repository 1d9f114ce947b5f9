using System.Text.RegularExpressions;
using Akka.Event;

namespace GrpoActors.Cluster.Security;

/// <summary>
/// Of what Akka.Remote says again and again, lets the first line through: of a stranger's broken frames and handshakes the first of each remote address, of messages that this program
/// cannot read the first of each sentence (a worker of another release repeats its question every few hundred milliseconds).
/// </summary>
internal sealed partial class TransportLogFilter : LogFilterBase
{
    private const int LinesMax = 1024;

    // Each logger asks for itself: the event that came first is kept for all of them.
    private readonly Dictionary<string, LogEvent> first = new(StringComparer.Ordinal);

    public override LogFilterType FilterType => LogFilterType.Content;

    public override LogFilterDecision ShouldKeepMessage(LogEvent content, string? expandedMessage = null)
    {
        if (content is not (Error or Warning) || Repeated(content.Message?.ToString() ?? "") is not { } said)
        {
            return LogFilterDecision.NoDecision;
        }

        lock (first)
        {
            if (first.TryGetValue(said, out LogEvent? kept))
            {
                return ReferenceEquals(kept, content) ? LogFilterDecision.Keep : LogFilterDecision.Drop;
            }

            if (first.Count >= LinesMax)
            {
                return LogFilterDecision.Drop;
            }

            first.Add(said, content);
            return LogFilterDecision.Keep;
        }
    }

    /// <summary>What a line that comes again and again has in common with the others like it; null: it is no such line.</summary>
    public static string? Repeated(string line) => Channel().Match(line) is { Success: true } channel ? channel.Groups["remote"].Value
        : Unreadable().Match(line) is { Success: true } unreadable ? unreadable.Value
        : null;

    // Akka.Remote's own words about a channel's failure.
    [GeneratedRegex(@"Error caught channel \[.*?->\[?(::ffff:)?(?<remote>.*?)\]?:[0-9]+\]\(Id=", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Channel();

    // And about a message that no serializer can read, up to the kind that it names; the stack behind it differs.
    [GeneratedRegex(@"Deserialization failed for message with serializer id [^\r\n]{0,600}", RegexOptions.CultureInvariant)]
    private static partial Regex Unreadable();
}
