namespace GrpoActors.Text;

/// <summary>Cuts text into the pieces that the model sees one by one. Without state.</summary>
internal abstract class PreTokenizer
{
    public abstract void Cut(Pieces pieces);
}

/// <summary>What becomes of the text between two cuts and of the separators themselves.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>Cuts at every match of a pattern, or with <c>invert</c> at everything else.</summary>
internal sealed class Split(TextPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Cut(Pieces pieces)
    {
        var spans = behavior is SplitBehavior.Isolated or SplitBehavior.Removed ? null : new List<(int Start, int End, bool Match)>();
        foreach (var (from, to) in pieces.Ranges)
        {
            var text = pieces.Text[from..to];
            int done = 0;
            while (pattern.Find(text, done, out int start, out int end))
            {
                Add(pieces, spans, from + done, from + start, match: invert);
                Add(pieces, spans, from + start, from + end, match: !invert);
                done = end;
            }

            Add(pieces, spans, from + done, to, match: invert);
            if (spans is not null)
            {
                Merge(pieces, spans);
                spans.Clear();
            }
        }

        pieces.Commit();
    }

    private void Add(Pieces pieces, List<(int Start, int End, bool Match)>? spans, int start, int end, bool match)
    {
        if (start == end)
        {
            return;
        }

        if (spans is not null)
        {
            spans.Add((start, end, match));
        }
        else if (!match || behavior == SplitBehavior.Isolated)
        {
            pieces.Keep(start, end);
        }
    }

    private void Merge(Pieces pieces, List<(int Start, int End, bool Match)> spans)
    {
        for (int i = 0; i < spans.Count;)
        {
            int last = i;
            while (last + 1 < spans.Count && Joins(spans, i, last))
            {
                last++;
            }

            pieces.Keep(spans[i].Start, spans[last].End);
            i = last + 1;
        }
    }

    // Whether the span after `last` belongs to the piece that begins at `first`. A match joins what stands before (or after) it,
    // but of two matches in a row only the nearer one does.
    private bool Joins(List<(int Start, int End, bool Match)> spans, int first, int last) => behavior switch
    {
        SplitBehavior.Contiguous => spans[last].Match == spans[last + 1].Match,
        SplitBehavior.MergedWithPrevious => first == last && !spans[last].Match && spans[last + 1].Match,
        _ => first == last && spans[last].Match && !spans[last + 1].Match,
    };
}

/// <summary>Spells each piece as bytes in GPT-2's alphabet.</summary>
/// <remarks>Where it comes last, the tokenizer leaves it out and hands the model bytes instead: the same ids without the detour.</remarks>
internal sealed class SpellBytes : PreTokenizer
{
    public override void Cut(Pieces pieces)
    {
        foreach (var (start, end) in pieces.Ranges)
        {
            pieces.KeepRewritten(ByteAlphabet.Spell(new string(pieces.Text[start..end])));
        }

        pieces.CommitRewritten();
    }
}

/// <summary>Puts a space before each piece that does not begin with one.</summary>
internal sealed class PrefixSpace : PreTokenizer
{
    public override void Cut(Pieces pieces)
    {
        foreach (var (start, end) in pieces.Ranges)
        {
            var piece = pieces.Text[start..end];
            pieces.KeepRewritten(piece[0] == ' ' ? piece : string.Concat(" ", piece));
        }

        pieces.CommitRewritten();
    }
}

/// <summary>SentencePiece's spaces: a visible character stands for each, and before the text as the scheme says.</summary>
internal sealed class Metaspace(char replacement, Metaspace.Prepend prepend, bool split) : PreTokenizer
{
    private readonly Split? _split = split ? new Split(TextPattern.Of($"\\x{{{(int)replacement:X}}}"), SplitBehavior.MergedWithNext, invert: false) : null;

    public enum Prepend
    {
        Always,
        First,
        Never,
    }

    public override void Cut(Pieces pieces)
    {
        foreach (var (start, end) in pieces.Ranges)
        {
            var piece = new string(pieces.Text[start..end]).Replace(' ', replacement);
            bool wanted = prepend == Prepend.Always || (prepend == Prepend.First && pieces.BeginsText && start == 0);
            pieces.KeepRewritten(wanted && piece[0] != replacement ? replacement + piece : piece);
        }

        pieces.CommitRewritten();
        _split?.Cut(pieces);
    }
}
