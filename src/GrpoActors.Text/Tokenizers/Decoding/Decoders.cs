namespace GrpoActors.Text;

/// <summary>A decoder of <c>tokenizer.json</c>: opens its steps for one sequence.</summary>
internal sealed class Decoders
{
    private static readonly string[] Supported = ["ByteLevel", "ByteFallback", "Fuse", "Replace", "Strip", "Metaspace", "Sequence"];

    private readonly Func<DecodingStep, DecodingStep>[] _steps;

    private Decoders(Func<DecodingStep, DecodingStep>[] steps) => _steps = steps;

    /// <summary>How a step is put before another.</summary>
    /// <param name="OnFused">The form for after Fuse or ByteLevel, which make one token of all; null: wait for the whole.</param>
    /// <param name="Fuses">Whether the steps after it see one token.</param>
    private sealed record Step(Func<DecodingStep, DecodingStep> OnTokens, Func<DecodingStep, DecodingStep>? OnFused = null, bool Fuses = false);

    public static Decoders Read(TokenizerJson decoder)
    {
        if (decoder.IsNull)
        {
            return new([next => new Spaced(next)]);
        }

        var steps = new List<Func<DecodingStep, DecodingStep>>();
        bool fused = false;
        foreach (var step in Flat(decoder).Select(ReadStep))
        {
            steps.Add(!fused ? step.OnTokens : step.OnFused ?? (next => new Whole(step.OnTokens(next))));
            fused |= step.Fuses;
        }

        return new([.. steps]);
    }

    public DecodingStep Open(DecodingStep last)
    {
        for (int i = _steps.Length - 1; i >= 0; i--)
        {
            last = _steps[i](last);
        }

        return last;
    }

    private static IEnumerable<TokenizerJson> Flat(TokenizerJson decoder) =>
        decoder.Type() == "Sequence" ? decoder["decoders"].Items().SelectMany(Flat) : [decoder];

    private static Step ReadStep(TokenizerJson decoder)
    {
        string type = decoder.Type();
        switch (type)
        {
            case "ByteLevel":
                return new(next => new SpelledBytes(next), Fuses: true);
            case "ByteFallback":
                return new(next => new FallbackBytes(next));
            case "Fuse":
                return new(next => next, next => next, Fuses: true);
            case "Replace":
                var replace = TextReplacement.Read(decoder);
                return new(next => new EachToken(replace.Apply, next));
            case "Strip":
                return Strip(decoder);
            case "Metaspace":
                return Metaspace(decoder);
            default:
                throw decoder.Unsupported(type, "decoder", Supported);
        }
    }

    private static Step Strip(TokenizerJson decoder)
    {
        char content = PreTokenizers.Character(decoder["content"]);
        int start = decoder["start"].Int(), stop = decoder["stop"].Int();
        if (start < 0 || stop < 0)
        {
            throw decoder.Wrong("strips fewer than 0 characters");
        }

        return new(
            next => new EachToken(token => Strip(token, content, start, stop), next),
            stop == 0 ? next => new StripLeading(content, start, next) : null);
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        int from = 0, to = token.Length;
        while (from < start && from < to && token[from] == content)
        {
            from++;
        }

        while (token.Length - to < stop && to > from && token[to - 1] == content)
        {
            to--;
        }

        return token[from..to];
    }

    // A token that begins the text loses every sign, as in Hugging Face's library: the space before the text was not in it.
    private static Step Metaspace(TokenizerJson decoder)
    {
        char sign = decoder["replacement"].IsNull ? '▁' : PreTokenizers.Character(decoder["replacement"]);
        string space(string token) => token.Replace(sign, ' ');
        string drop(string token) => token.Replace(sign.ToString(), "", StringComparison.Ordinal);
        return PreTokenizers.PrependScheme(decoder) == Text.Metaspace.Prepend.Never
            ? new(next => new EachToken(space, next), next => new EachToken(space, next))
            : new(next => new FirstToken(drop, space, next), next => new EachToken(drop, next));
    }
}
