using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Security;

/// <summary>
/// A node's log for Akka. What Akka.Remote says of a connection with paragraphs of advice and a stack trace, at each try, becomes one sentence that names the address, once in ten minutes;
/// so does a message that no serializer can read (a worker of another release repeats its question every few hundred milliseconds). Everything else passes as it is.
/// </summary>
/// <remarks>A wrapper because the logger of Akka.Hosting (1.5.74) asks no log filter. The expressions match Akka.Remote 1.5.74's own words.</remarks>
internal sealed partial class DeduplicatingLogger(ILoggerFactory log, TimeProvider time) : ILoggerFactory
{
    private const string SaidOnce = "Further ones in the next ten minutes are not logged.";

    // A peer that sends a thousand kinds of unreadable messages silences nothing but further ones.
    private readonly LogDeduplicator connections = new(time), messages = new(time);

    public ILogger CreateLogger(string categoryName) => new Once(log.CreateLogger(categoryName), this);

    public void AddProvider(ILoggerProvider provider) => log.AddProvider(provider);

    /// <summary>The log itself is its owner's.</summary>
    public void Dispose()
    {
    }

    /// <summary>What to write in place of a line.</summary>
    /// <returns>Null: the line itself. Empty: nothing.</returns>
    private string? InPlaceOf(string line, Exception? exception)
    {
        if (Channel().Match(line) is { Success: true } channel)
        {
            string host = Uri.UnescapeDataString(channel.Groups["host"].Value);
            (string happened, string reason) = channel.Groups["reason"] is { Success: true } given ? ("was refused", given.Value) : Of(line, exception);
            return connections.IsFirst($"{host} {happened}") ? $"A connection with {host} {happened}: {reason}. {SaidOnce}" : "";
        }

        if (Association().Match(line) is { Success: true } association)
        {
            string reason = association.Groups["reason"].Value.TrimEnd('.');
            string sentence = $"The connection to {association.Groups["address"].Value} {(association.Groups["lost"].Success ? "was lost" : "failed")}: {reason}. {SaidOnce}";
            return connections.IsFirst(sentence) ? sentence : "";
        }

        return Disassociated().IsMatch(line) ? ""
            : Unreadable().Match(line) is not { Success: true } unreadable ? null
            : messages.IsFirst(unreadable.Value) ? $"{unreadable.Value} {SaidOnce}"
            : "";
    }

    private static (string Happened, string Reason) Of(string line, Exception? exception)
    {
        string cause = exception?.GetBaseException().Message ?? "";
        return line.Contains("did not provide a certificate", StringComparison.Ordinal) ? ("was refused", "it shows no certificate")
            : line.Contains("No response from remote", StringComparison.Ordinal) ? ("was refused", "it said nothing in time")
            : cause.StartsWith("not an SSL/TLS record", StringComparison.Ordinal) ? ("was refused", "it does not speak TLS")
            : cause == "Channel is closed" ? ("was refused", "it ended before its TLS handshake was over")
            : (line.Contains("Error caught channel", StringComparison.Ordinal) ? "failed" : "was refused", FirstLine().Match(cause).Value.TrimEnd('.'));
    }

    // A channel's failure, its handshake's, and the end of one that said nothing, whose address is in the name of an actor.
    [GeneratedRegex(
        @"(channel \[[^\r\n]*?->|Rejected incoming connection from \[|did not provide a certificate from |Not believed: ([^ \r\n]*@)?)"
        + @"\[?(::ffff:)?(?<host>[^\[\]\s]+?)\]?:[0-9]+(\]|: (?<reason>.*)|$)"
        + @"|akkaProtocol-[^\]]*?%40(%5B)?(%3A%3Affff%3A)?(?<host>[^\]]+?)(%5D)?%3A[0-9]+-[0-9]+\] No response from remote for inbound",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Channel();

    // One that came to nothing, in two ways of saying it, and one that ended.
    [GeneratedRegex(
        @"AssociationError \[[^\]]*\] -> [^ ]*?@(?<address>[^ ]+): Error \[(?<reason>[^\r\n\]]*)"
        + @"|Tried to associate with unreachable remote address \[[^\]]*?@(?<address>[^\]]+)\]\. .*? Reason: \[(?<reason>[^\r\n\]]*)"
        + @"|(?<lost>Association) with remote system [^ ]*?@(?<address>[^ ]+) has failed; .*? Reason is: \[([^ \r\n]+: )?(?<reason>[^\r\n\]]*)",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Association();

    // Said by the actor that wrote to a connection that was lost, which is said too.
    [GeneratedRegex(@"/endpointWriter\] Disassociated\b", RegexOptions.CultureInvariant)]
    private static partial Regex Disassociated();

    // Up to the kind that it names; the stack behind it differs.
    [GeneratedRegex(@"Deserialization failed for message with serializer id [^\r\n]{0,600}", RegexOptions.CultureInvariant)]
    private static partial Regex Unreadable();

    [GeneratedRegex(@"^[^\r\n]{0,300}", RegexOptions.CultureInvariant)]
    private static partial Regex FirstLine();

    private sealed class Once(ILogger log, DeduplicatingLogger all) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => log.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            string? sentence = logLevel < LogLevel.Warning ? null : all.InPlaceOf(formatter(state, exception), exception);
            if (sentence is null)
            {
                log.Log(logLevel, eventId, state, exception, formatter);
            }
            else if (sentence.Length > 0)
            {
                log.LogWarning("{Sentence}", sentence);
            }
        }
    }
}
