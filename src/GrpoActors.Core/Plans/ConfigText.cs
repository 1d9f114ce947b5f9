using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace GrpoActors.Core.Plans;

/// <summary>JSON with comments and trailing commas into nodes that know their lines.</summary>
internal static class ConfigText
{
    private const int DepthMax = 32;

    /// <summary>Reads the whole text; on broken JSON, null with one error that names line and column.</summary>
    public static ConfigNode? Parse(string text, string name, List<ConfigError> errors)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text.StartsWith('\uFEFF') ? text[1..] : text);
        var options = new JsonReaderOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = DepthMax };
        var reader = new Utf8JsonReader(utf8, options);
        var lines = new LineCounter(utf8);
        try
        {
            if (!reader.Read())
            {
                errors.Add(new("", "is empty.", "Write a JSON object with phases, model and rewards.", new(SourceKind.File, name, 1)));
                return null;
            }

            ConfigNode node = Value(ref reader, name, lines, errors, "");
            reader.Read(); // whatever follows the value is an error
            return node;
        }
        catch (JsonException e)
        {
            int line = (int)(e.LineNumber ?? 0) + 1;
            errors.Add(new("", $"is no valid JSON at line {line}, byte {(e.BytePositionInLine ?? 0) + 1}: {JsonFault.Words(e)}.", "Comments and trailing commas are allowed.", new(SourceKind.File, name, line)));
            return null;
        }
    }

    /// <summary>A value of the environment or the command line: JSON if it is JSON, else the text itself.</summary>
    public static ConfigNode ParseValue(string text, ValueSource source)
    {
        var ignored = new List<ConfigError>();
        return text.Length > 0 && Parse(text, "", ignored) is { } node && ignored.Count == 0
            ? Relocate(node, source)
            : new ConfigNode.Scalar(JsonValueKind.String, text, source);
    }

    private static ConfigNode Relocate(ConfigNode node, ValueSource source) => node switch
    {
        ConfigNode.Map map => new ConfigNode.Map([.. map.Members.Select(member => KeyValuePair.Create(member.Key, Relocate(member.Value, source)))], source),
        ConfigNode.List list => new ConfigNode.List([.. list.Items.Select(item => Relocate(item, source))], source),
        _ => node with { Source = source },
    };

    private static ConfigNode Value(ref Utf8JsonReader reader, string name, LineCounter lines, List<ConfigError> errors, string path)
    {
        var source = new ValueSource(SourceKind.File, name, lines.At(reader.TokenStartIndex));
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                return Map(ref reader, source, lines, errors, path);
            case JsonTokenType.StartArray:
                var items = ImmutableArray.CreateBuilder<ConfigNode>();
                while (Next(ref reader) != JsonTokenType.EndArray)
                {
                    items.Add(Value(ref reader, name, lines, errors, $"{path}[{items.Count}]"));
                }

                return new ConfigNode.List(items.ToImmutable(), source);
            case JsonTokenType.String:
                return new ConfigNode.Scalar(JsonValueKind.String, Text(ref reader), source);
            case JsonTokenType.Number:
                return new ConfigNode.Scalar(JsonValueKind.Number, Encoding.UTF8.GetString(reader.ValueSpan), source);
            case JsonTokenType.True:
                return new ConfigNode.Scalar(JsonValueKind.True, "true", source);
            case JsonTokenType.False:
                return new ConfigNode.Scalar(JsonValueKind.False, "false", source);
            default:
                return new ConfigNode.Scalar(JsonValueKind.Null, "null", source);
        }
    }

    private static ConfigNode.Map Map(ref Utf8JsonReader reader, ValueSource source, LineCounter lines, List<ConfigError> errors, string path)
    {
        var map = new ConfigNode.Map([], source);
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            string key = Text(ref reader);
            int line = lines.At(reader.TokenStartIndex);
            string full = path.Length == 0 ? key : $"{path}.{key}";
            Next(ref reader);
            ConfigNode value = Value(ref reader, source.Name, lines, errors, full);
            if (map[key] is { } earlier)
            {
                errors.Add(new(full, $"is given twice, in lines {earlier.Source.Line} and {line}.", "Keep one of them.", source with { Line = line }));
            }

            map = map.With(key, value);
        }

        return map;
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        reader.Read(); // the whole text is at hand: an end within a value throws
        return reader.TokenType;
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException) // half a surrogate pair, written as \ud800
        {
            return Encoding.UTF8.GetString(reader.ValueSpan);
        }
    }

    /// <summary>Lines of ascending byte positions.</summary>
    private sealed class LineCounter(byte[] utf8)
    {
        private long _position;
        private int _line = 1;

        public int At(long position)
        {
            for (; _position < position; _position++)
            {
                _line += utf8[_position] == (byte)'\n' ? 1 : 0;
            }

            return _line;
        }
    }
}
