namespace GrpoActors.Text;

internal enum PatternOp
{
    /// <summary>One code point of Set, then the next instruction.</summary>
    One,

    /// <summary>From Min to Max code points of Set, as many as possible; gives some back unless Possessive.</summary>
    Loop,

    /// <summary>Each of Targets in turn, those that the next code point rules out left aside.</summary>
    Choice,

    Jump,

    /// <summary>The Body program here (or Width code points before), which consumes nothing.</summary>
    Look,

    /// <summary>The Body program's first match.</summary>
    Atomic,

    Anchor,
    Match,
}

/// <summary>One instruction of a compiled pattern. Which fields count depends on the operation.</summary>
internal sealed class PatternInstruction
{
    public required PatternOp Op { get; init; }

    public CodePointSet? Set { get; init; }

    public int Min { get; init; }

    public int Max { get; init; }

    public bool Possessive { get; init; }

    public int[] Targets { get; init; } = [];

    /// <summary>By ASCII code, then any other code point, then the end of the text: bit i says whether Targets[i] can match there.</summary>
    public ulong[] Candidates { get; init; } = [];

    public PatternInstruction[] Body { get; init; } = [];

    public bool Negative { get; init; }

    public bool Behind { get; init; }

    public int Width { get; init; }

    public AnchorKind Anchor { get; init; }
}

/// <summary>Compiles a parsed pattern, using what follows each loop to tell where giving back could never help.</summary>
internal sealed class PatternCompiler
{
    private const int MaxInstructions = 20_000;
    private const int OtherCodePoint = 128;
    private const int EndOfText = 129;

    private readonly List<PatternInstruction?> _code = [];
    private readonly Budget _budget;

    private PatternCompiler(Budget budget) => _budget = budget;

    /// <summary>What can come after a place: the code points it may begin with, whether it can be empty, whether it cannot fail.</summary>
    private readonly record struct Follow(CodePointSet First, bool CanBeEmpty, bool NeverFails)
    {
        public static Follow Success { get; } = new(CodePointSet.Empty, CanBeEmpty: true, NeverFails: true);
    }

    /// <exception cref="FormatException">Unrolled repeats make it too long.</exception>
    public static PatternInstruction[] Compile(PatternNode node) => Compile(node, new Budget());

    private static PatternInstruction[] Compile(PatternNode node, Budget budget)
    {
        var compiler = new PatternCompiler(budget);
        compiler.Emit(node, Follow.Success);
        compiler.Add(new() { Op = PatternOp.Match });
        return [.. compiler._code.Select(instruction => instruction!)];
    }

    /// <summary>The code points a match can begin with; CanBeEmpty if it may begin anywhere.</summary>
    public static (CodePointSet First, bool CanBeEmpty) First(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.One one:
                return (one.Set, false);
            case PatternNode.Sequence sequence:
                var first = CodePointSet.Empty;
                foreach (var part in sequence.Parts)
                {
                    var (partFirst, empty) = First(part);
                    first = first.Union(partFirst);
                    if (!empty)
                    {
                        return (first, false);
                    }
                }

                return (first, true);
            case PatternNode.Choice choice:
                var firsts = choice.Alternatives.Select(First).ToArray();
                return (firsts.Aggregate(CodePointSet.Empty, (set, next) => set.Union(next.First)), firsts.Any(next => next.CanBeEmpty));
            case PatternNode.Repeat repeat:
                var (bodyFirst, bodyEmpty) = First(repeat.Body);
                return (bodyFirst, bodyEmpty || repeat.Min == 0);
            case PatternNode.Atomic atomic:
                return First(atomic.Body);
            default:
                return (CodePointSet.Empty, true);
        }
    }

    private static bool NeverFails(PatternNode node) => node switch
    {
        PatternNode.Repeat repeat => repeat.Min == 0 && repeat.Kind != Repetition.Lazy,
        PatternNode.Sequence sequence => sequence.Parts.All(NeverFails),
        PatternNode.Choice choice => choice.Alternatives.Any(NeverFails),
        PatternNode.Atomic atomic => NeverFails(atomic.Body),
        _ => false,
    };

    private static Follow Before(PatternNode node, Follow after)
    {
        var (first, empty) = First(node);
        return new(empty ? first.Union(after.First) : first, empty && after.CanBeEmpty, NeverFails(node) && after.NeverFails);
    }

    private void Emit(PatternNode node, Follow follow)
    {
        switch (node)
        {
            case PatternNode.One one:
                Add(new() { Op = PatternOp.One, Set = one.Set });
                break;
            case PatternNode.Sequence sequence:
                EmitSequence(sequence, follow);
                break;
            case PatternNode.Choice choice:
                EmitChoice(choice.Alternatives, follow);
                break;
            case PatternNode.Repeat repeat:
                EmitRepeat(repeat, follow);
                break;
            case PatternNode.Atomic atomic:
                Add(new() { Op = PatternOp.Atomic, Body = Compile(atomic.Body, _budget) });
                break;
            case PatternNode.Look look:
                Add(new() { Op = PatternOp.Look, Body = Compile(look.Body, _budget), Negative = look.Negative, Behind = look.Behind, Width = look.BehindWidth });
                break;
            case PatternNode.Anchor anchor:
                Add(new() { Op = PatternOp.Anchor, Anchor = anchor.Kind });
                break;
        }
    }

    private void EmitSequence(PatternNode.Sequence sequence, Follow follow)
    {
        var follows = new Follow[sequence.Parts.Count];
        for (int i = sequence.Parts.Count - 1; i >= 0; i--)
        {
            follows[i] = follow;
            follow = Before(sequence.Parts[i], follow);
        }

        for (int i = 0; i < follows.Length; i++)
        {
            Emit(sequence.Parts[i], follows[i]);
        }
    }

    private void EmitChoice(IReadOnlyList<PatternNode> alternatives, Follow follow)
    {
        if (alternatives.Count > 64) // the candidates of one place fit a word
        {
            alternatives = [.. alternatives.Take(63), new PatternNode.Choice([.. alternatives.Skip(63)])];
        }

        var targets = new int[alternatives.Count];
        int at = Add(null);
        var jumps = new List<int>();
        for (int i = 0; i < targets.Length; i++)
        {
            targets[i] = _code.Count;
            Emit(alternatives[i], follow);
            jumps.Add(Add(null));
        }

        _code[at] = new() { Op = PatternOp.Choice, Targets = targets, Candidates = Candidates(alternatives) };
        foreach (int jump in jumps)
        {
            _code[jump] = new() { Op = PatternOp.Jump, Targets = [_code.Count] };
        }
    }

    private static ulong[] Candidates(IReadOnlyList<PatternNode> alternatives)
    {
        var candidates = new ulong[EndOfText + 1];
        for (int i = 0; i < alternatives.Count; i++)
        {
            var (first, empty) = First(alternatives[i]);
            ulong bit = 1UL << i;
            for (int c = 0; c < OtherCodePoint; c++)
            {
                candidates[c] |= empty || first.Contains(c) ? bit : 0;
            }

            candidates[OtherCodePoint] |= empty || first.ReachesBeyondAscii ? bit : 0;
            candidates[EndOfText] |= empty ? bit : 0;
        }

        return candidates;
    }

    private void EmitRepeat(PatternNode.Repeat repeat, Follow follow)
    {
        if (repeat.Kind == Repetition.Possessive && repeat.Body is not PatternNode.One)
        {
            Add(new() { Op = PatternOp.Atomic, Body = Compile(repeat with { Kind = Repetition.Greedy }, _budget) });
            return;
        }

        if (repeat.Body is PatternNode.One one && repeat.Kind != Repetition.Lazy)
        {
            bool possessive = repeat.Kind == Repetition.Possessive || follow.NeverFails || (!follow.CanBeEmpty && !follow.First.Overlaps(one.Set));
            Add(new() { Op = PatternOp.Loop, Set = one.Set, Min = repeat.Min, Max = repeat.Max, Possessive = possessive });
            return;
        }

        // Unrolled: min copies, then either an endless loop or max - min optional copies, each inside the one before.
        var inside = new Follow(PatternCompiler.First(repeat.Body).First.Union(follow.First), follow.CanBeEmpty, NeverFails: false);
        for (int i = 0; i < repeat.Min; i++)
        {
            Emit(repeat.Body, inside);
        }

        bool endless = repeat.Max == int.MaxValue;
        var exits = new List<int>();
        for (int i = repeat.Min; i < (endless ? repeat.Min + 1 : repeat.Max); i++)
        {
            int split = Add(null);
            exits.Add(split);
            Emit(repeat.Body, inside);
            if (endless)
            {
                Add(new() { Op = PatternOp.Jump, Targets = [split] });
            }
        }

        foreach (int split in exits)
        {
            int[] targets = repeat.Kind == Repetition.Lazy ? [_code.Count, split + 1] : [split + 1, _code.Count];
            _code[split] = new() { Op = PatternOp.Choice, Targets = targets, Candidates = [.. Enumerable.Repeat(3UL, EndOfText + 1)] };
        }
    }

    private int Add(PatternInstruction? instruction)
    {
        if (++_budget.Spent > MaxInstructions)
        {
            throw new FormatException("the pattern's repeats unroll to more than it may be long");
        }

        _code.Add(instruction);
        return _code.Count - 1;
    }

    /// <summary>Instructions of the pattern and of all programs inside it.</summary>
    private sealed class Budget
    {
        public int Spent { get; set; }
    }
}
