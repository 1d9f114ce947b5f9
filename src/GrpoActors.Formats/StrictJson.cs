using System.Text.Json;
using System.Text.Unicode;
using GrpoActors.Core;

namespace GrpoActors.Formats;

/// <summary>JSON without what only fails later, when a text is asked for: bytes that are no UTF-8, and escapes that are half of a surrogate pair.</summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions NoDuplicates = new() { AllowDuplicateProperties = false };

    /// <exception cref="JsonException">Broken, a key twice, not UTF-8, or half of a surrogate pair.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> utf8)
    {
        if (!Utf8.IsValid(utf8.Span))
        {
            throw new JsonException("expected UTF-8, found other bytes.");
        }

        try
        {
            ReadEscapes(utf8.Span);
            using JsonDocument document = JsonDocument.Parse(utf8, NoDuplicates);
            return document.RootElement.Clone();
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("an escape is half of a surrogate pair.", e);
        }
    }

    /// <summary>What is wrong, without its position.</summary>
    public static string Reason(JsonException e) => JsonFault.Words(e);

    private static void ReadEscapes(ReadOnlySpan<byte> utf8)
    {
        var json = new Utf8JsonReader(utf8);
        while (json.Read())
        {
            if (json.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && json.ValueIsEscaped)
            {
                _ = json.GetString();
            }
        }
    }
}
