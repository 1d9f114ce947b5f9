using System.Text.Json;

namespace GrpoActors.Core;

/// <summary>What is wrong with a JSON text, in words of its own reader: no options, tokens or payloads of the library that parsed it. Compiled into each project that reads JSON.</summary>
internal static class JsonFault
{
    /// <summary>For example "'x' is an invalid start of a value"; without position and full stop.</summary>
    public static string Words(JsonException e)
    {
        string said = e.Message.Split([" LineNumber:", " Path:"], StringSplitOptions.None)[0].TrimEnd('.', ' ');
        bool Says(string part) => said.Contains(part, StringComparison.Ordinal);
        return said switch
        {
            _ when Says("does not contain any JSON tokens") => "nothing is written there",
            _ when Says("trailing comma") => "a comma stands before the closing bracket",
            _ when Says("depth to be zero") || Says("should be closed") => "it ends before every bracket is closed",
            _ when Says("end of data") && !Says("after a single JSON value") => "it ends in the middle of a value",
            _ when Says("after a single JSON value") => $"{said.Split(" is invalid")[0]} stands behind the end of the value",
            _ when Says("end of a number") => "a number is not followed by a comma or a bracket",
            _ when Says("maximum configured depth") => "brackets are nested too deep",
            _ when Says("uplicate property") => $"the key {said.Split('\'', '"') switch { [_, var key, ..] => $"\"{key}\"", _ => "of an object" }} is given twice",
            _ when Says("literal") => $"{said.Split(" is an invalid")[0]} is no value; texts stand in double quotes",
            _ => said,
        };
    }
}
