using System.Text.RegularExpressions;
using GrpoActors.Cluster.Operations;
using Microsoft.Extensions.Logging;

namespace GrpoActors.Cluster.Security;

/// <summary>
/// A node's log for Akka. What Akka.Remote says of a connection with paragraphs of advice and a stack trace, at each try, becomes one sentence that names
/// the address, once in ten minutes; so does a message that no serializer can read (a worker of another release repeats its question every few hundred
/// milliseconds). Everything else passes as it is.
/// </summary>
/// <remarks>A wrapper because the logger of Akka.Hosting (1.5.74) asks no log filter. The expressions match Akka.Remote 1.5.74's own words.</remarks>
internal sealed partial class DeduplicatingLogger(ILoggerFactory log, TimeProvider time) : ILoggerFactory
{
    // A peer that sends a thousand kinds of unreadable messages silences nothing but further ones.
    private readonly LogDeduplicator connections = new(time), messages = new(time);

    public ILogger CreateLogger(string categoryName) => new Wrapped(log.CreateLogger(categoryName), this);

    public void AddProvider(ILoggerProvider provider) => log.AddProvider(provider);

    /// <summary>The log itself is its owner's.</summary>
    public void Dispose()
    {
    }

    /// <summary>What to write in place of a line.</summary>
    /// <returns>Null: the line itself. Empty: nothing.</returns>
    private string? InPlaceOf(string line, Exception? exception)
    {
        string cause = exception?.GetBaseException().Message ?? "";
        if (SaidBefore().IsMatch(line) || cause.Contains("rejected by the provided RemoteCertificateValidationCallback", StringComparison.Ordinal))
        {
            return "";
        }

        if (Channel().Match(line) is { Success: true } channel)
        {
            string host = Uri.UnescapeDataString(channel.Groups["host"].Value);
            string what = channel.Groups["reason"] is { Success: true } reason ? $"was refused: {reason.Value}"
                : line.Contains("did not provide a certificate", StringComparison.Ordinal) ? "was refused: it shows no certificate"
                : cause.StartsWith("not an SSL/TLS record", StringComparison.Ordinal) ? "was refused: it does not speak TLS"
                : line.Contains("Error caught channel", StringComparison.Ordinal) ? $"failed: {FirstLine().Match(cause).Value.TrimEnd('.')}"
                : "was refused: it did not complete the TLS handshake";
            return Once(connections, $"A connection with {host} {what}.");
        }

        if (Association().Match(line) is { Success: true } association)
        {
            string what = association.Groups["lost"].Success ? "was lost" : "failed";
            return Once(connections, $"The connection to {association.Groups["address"].Value} {what}: {association.Groups["reason"].Value.TrimEnd('.')}.");
        }

        return Unreadable().Match(line) is { Success: true } unreadable ? Once(messages, unreadable.Value) : null;
    }

    private static string Once(LogDeduplicator said, string sentence) =>
        said.IsFirst(sentence) ? $"{sentence} Further ones in the next ten minutes are not logged." : "";

    // A channel's failure, its handshake's, and the end of one that said nothing, whose address is in the name of an actor.
    [GeneratedRegex(
        @"(channel \[[^\r\n]*?->|did not provide a certificate from |Not believed: ([^ \r\n]*@)?)"
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

    // A handshake that came to nothing, and by the actor that wrote to a connection that was lost: another line says why.
    [GeneratedRegex(@"Rejected incoming connection from \[|/endpointWriter\] Disassociated\b", RegexOptions.CultureInvariant)]
    private static partial Regex SaidBefore();

    // Up to the kind that it names; the stack behind it differs.
    [GeneratedRegex(@"Deserialization failed for message with serializer id [^\r\n]{0,600}", RegexOptions.CultureInvariant)]
    private static partial Regex Unreadable();

    [GeneratedRegex(@"^[^\r\n]{0,300}", RegexOptions.CultureInvariant)]
    private static partial Regex FirstLine();

    private sealed class Wrapped(ILogger log, DeduplicatingLogger all) : ILogger
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
                log.Once(sentence);
            }
        }
    }
}
