namespace GrpoActors.Journal.Records;

/// <summary>The bytes are no event record that this program knows. The message is one sentence: where, what was expected, what was found.</summary>
public sealed class JournalFormatException : FormatException
{
    public JournalFormatException(string message)
        : base(message)
    {
    }
}
