namespace GrpoActors.Text;

/// <summary>What a post-processor puts around one sequence when special tokens are wanted.</summary>
internal sealed record SpecialFrame(IReadOnlyList<int> Before, IReadOnlyList<int> After)
{
    private static readonly string[] Supported = ["TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing", "Sequence"];

    public static SpecialFrame None { get; } = new([], []);

    public static SpecialFrame Read(TokenizerJson processor)
    {
        if (processor.IsNull)
        {
            return None;
        }

        string type = processor.Type();
        return type switch
        {
            "ByteLevel" => None, // it only trims offsets, which are not kept here
            "TemplateProcessing" => Template(processor),
            "BertProcessing" or "RobertaProcessing" => new([PairId(processor["cls"])], [PairId(processor["sep"])]),
            "Sequence" => processor["processors"].Items().Select(Read)
                .Aggregate(None, (inner, outer) => new([.. outer.Before, .. inner.Before], [.. inner.After, .. outer.After])),
            _ => throw processor.Unsupported(type, "post-processor", Supported),
        };
    }

    private static SpecialFrame Template(TokenizerJson processor)
    {
        List<int> before = [], after = [];
        bool sequenceSeen = false;
        foreach (var piece in processor["single"].Items())
        {
            if (!piece["Sequence"].IsNull)
            {
                sequenceSeen = sequenceSeen ? throw piece.Wrong("is a second sequence, where a text has one") : true;
                continue;
            }

            string name = piece["SpecialToken"]["id"].String();
            var token = processor["special_tokens"][name];
            if (token.IsNull)
            {
                throw piece.Wrong($"names the special token '{name}', which special_tokens lacks");
            }

            (sequenceSeen ? after : before).AddRange(token["ids"].Items().Select(id => id.Id()));
        }

        return sequenceSeen ? new(before, after) : throw processor["single"].Wrong("has no place for the sequence");
    }

    // ["[CLS]", 101]
    private static int PairId(TokenizerJson pair)
    {
        var items = pair.Items().ToArray();
        return items.Length == 2 ? items[1].Id() : throw pair.Wrong("is no pair of a token and its id");
    }
}
