using System.Text.RegularExpressions;
using Akka.Event;

namespace GrpoActors.Cluster.Security;

/// <summary>Of what the TCP transport says about a stranger's broken frames and handshakes, lets the first line of each remote address through.</summary>
internal sealed partial class TransportLogFilter : LogFilterBase
{
    private const int AddressesMax = 1024;

    // Each logger asks for itself: the event that came first is kept for all of them.
    private readonly Dictionary<string, LogEvent> first = new(StringComparer.Ordinal);

    public override LogFilterType FilterType => LogFilterType.Content;

    public override LogFilterDecision ShouldKeepMessage(LogEvent content, string? expandedMessage = null)
    {
        if (content is not Error || Channel().Match(content.Message?.ToString() ?? "") is not { Success: true } channel)
        {
            return LogFilterDecision.NoDecision;
        }

        lock (first)
        {
            string remote = channel.Groups["remote"].Value;
            if (first.TryGetValue(remote, out LogEvent? kept))
            {
                return ReferenceEquals(kept, content) ? LogFilterDecision.Keep : LogFilterDecision.Drop;
            }

            if (first.Count >= AddressesMax)
            {
                return LogFilterDecision.Drop;
            }

            first.Add(remote, content);
            return LogFilterDecision.Keep;
        }
    }

    // Akka.Remote's own words about a channel's failure.
    [GeneratedRegex(@"\AError caught channel \[.*?->\[?(::ffff:)?(?<remote>.*?)\]?:[0-9]+\]\(Id=", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Channel();
}
