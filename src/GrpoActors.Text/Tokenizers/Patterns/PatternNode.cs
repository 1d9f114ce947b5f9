namespace GrpoActors.Text;

/// <summary>A regular expression as parsed.</summary>
internal abstract record PatternNode
{
    private PatternNode()
    {
    }

    /// <summary>Whether it can match nothing at all.</summary>
    public abstract bool IsNullable { get; }

    /// <summary>One code point of a set.</summary>
    public sealed record One(CodePointSet Set) : PatternNode
    {
        public override bool IsNullable => false;
    }

    public sealed record Sequence(IReadOnlyList<PatternNode> Parts) : PatternNode
    {
        public override bool IsNullable => Parts.All(part => part.IsNullable);
    }

    public sealed record Choice(IReadOnlyList<PatternNode> Alternatives) : PatternNode
    {
        public override bool IsNullable => Alternatives.Any(alternative => alternative.IsNullable);
    }

    /// <summary>Max is <see cref="int.MaxValue"/> where there is none.</summary>
    public sealed record Repeat(PatternNode Body, int Min, int Max, Repetition Kind) : PatternNode
    {
        public override bool IsNullable => Min == 0 || Body.IsNullable;
    }

    /// <summary>No way back into the body once it has matched.</summary>
    public sealed record Atomic(PatternNode Body) : PatternNode
    {
        public override bool IsNullable => Body.IsNullable;
    }

    /// <summary>BehindWidth: 0 looks ahead; else the code points that the body spans, which stand before the place.</summary>
    public sealed record Look(PatternNode Body, bool Negative, bool Behind, int BehindWidth) : PatternNode
    {
        public override bool IsNullable => true;
    }

    public sealed record Anchor(AnchorKind Kind) : PatternNode
    {
        public override bool IsNullable => true;
    }
}

internal enum Repetition
{
    Greedy,
    Lazy,
    Possessive,
}

internal enum AnchorKind
{
    TextStart,
    TextEnd,
    TextEndOrFinalNewline,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
}
