using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Reads <c>added_tokens</c>.</summary>
internal static class AddedTokenList
{
    public static AddedToken[] Read(TokenizerJson list)
    {
        if (list.IsNull)
        {
            return [];
        }

        var tokens = list.Items().Select(Token).OrderBy(token => token.Id).ToArray();
        foreach (var (token, next) in tokens.Zip(tokens.Skip(1)))
        {
            if (token.Id == next.Id)
            {
                throw list.Wrong($"gives the id {token.Id} to two tokens, '{token.Content}' and '{next.Content}'");
            }
        }

        return tokens;
    }

    public static bool IsEmptyArray(this JsonElement element) => element.ValueKind == JsonValueKind.Array && element.GetArrayLength() == 0;

    public static bool IsNotString(this JsonElement element, string expected) =>
        element.ValueKind != JsonValueKind.String || !element.ValueEquals(expected);

    private static AddedToken Token(TokenizerJson token)
    {
        string content = token["content"].String();
        bool special = token["special"].Bool(absent: false);
        return new AddedToken(
            token["id"].Id(),
            content,
            special,
            token["single_word"].Bool(absent: false),
            token["lstrip"].Bool(absent: false),
            token["rstrip"].Bool(absent: false),
            token["normalized"].Bool(absent: !special));
    }
}
