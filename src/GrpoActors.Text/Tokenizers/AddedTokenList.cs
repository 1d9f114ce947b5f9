using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Reads <c>added_tokens</c>.</summary>
internal static class AddedTokenList
{
    /// <param name="declared">By the files beside it; null: none.</param>
    public static AddedToken[] Read(TokenizerJson root, DeclaredTokens? declared)
    {
        var list = root["added_tokens"];
        AddedToken[] own = list.IsNull ? [] : [.. list.Items().Select(token => Read(token, token["id"].Id(), special: false))];
        AddedToken[] tokens = [.. own.Concat(declared?.Beyond(own, root["model"]["vocab"]) ?? []).OrderBy(token => token.Id)];
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

    /// <param name="special">Where the token does not say.</param>
    public static AddedToken Read(TokenizerJson token, int id, bool special)
    {
        string content = token["content"].String();
        special = token["special"].Bool(absent: special);
        return new AddedToken(
            id,
            content,
            special,
            token["single_word"].Bool(absent: false),
            token["lstrip"].Bool(absent: false),
            token["rstrip"].Bool(absent: false),
            token["normalized"].Bool(absent: !special));
    }
}
