using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>A value of a <c>tokenizer.json</c> that knows where it stands, so that whatever is wrong with it can be said in one sentence.</summary>
internal readonly record struct TokenizerJson(JsonElement Element, string Path, string File)
{
    public bool IsNull => Element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public static TokenizerJson Root(JsonElement element, string file) => new(element, "", file);

    /// <summary>The property, or an undefined value if there is none.</summary>
    public TokenizerJson this[string name]
    {
        get
        {
            Require(JsonValueKind.Object);
            return new(Element.TryGetProperty(name, out var value) ? value : default, Path.Length == 0 ? name : $"{Path}.{name}", File);
        }
    }

    public IEnumerable<TokenizerJson> Items()
    {
        Require(JsonValueKind.Array);
        int index = 0;
        foreach (var item in Element.EnumerateArray())
        {
            yield return new(item, $"{Path}[{index++}]", File);
        }
    }

    public string String()
    {
        Require(JsonValueKind.String);
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Wrong("holds half a surrogate pair, which is no text");
        }
    }

    public string? StringOrNull() => IsNull ? null : String();

    public bool Bool(bool absent) => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Null or JsonValueKind.Undefined => absent,
        _ => throw WrongKind("true or false"),
    };

    public int Int()
    {
        Require(JsonValueKind.Number);
        return Element.TryGetInt32(out int value) ? value : throw Wrong($"is {Element.GetRawText()}, which is no whole number of 32 bits");
    }

    /// <summary>An id: a whole number from 0 to <see cref="MaxId"/>.</summary>
    public int Id()
    {
        int id = Int();
        return id is >= 0 and <= MaxId ? id : throw Wrong($"is {id}, where an id from 0 to {MaxId} was expected");
    }

    public void Require(JsonValueKind kind)
    {
        if (Element.ValueKind != kind)
        {
            throw WrongKind(Name(kind));
        }
    }

    public TokenizerFormatException Wrong(string problem) => new(File, Path.Length == 0 ? $"the file {problem}." : $"{Path} {problem}.");

    /// <summary>The <c>type</c> of a component, refused with the list of what is supported by the caller.</summary>
    public string Type() => this["type"].String();

    public TokenizerFormatException Unsupported(string type, string what, IEnumerable<string> supported) =>
        Wrong($"is a {what} of type '{type}', which is not supported; supported are {string.Join(", ", supported)}");

    // Ids index arrays, so a corrupt file must not be able to ask for gigabytes; the largest published vocabulary has 262,145 tokens.
    private const int MaxId = (1 << 24) - 1;

    private TokenizerFormatException WrongKind(string expected) => Element.ValueKind == JsonValueKind.Undefined
        ? Wrong($"is missing, where {expected} was expected")
        : Wrong($"is {Name(Element.ValueKind)}, where {expected} was expected");

    private static string Name(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a truth value",
        JsonValueKind.Null => "null",
        _ => "nothing",
    };
}
