using System.Numerics;

namespace GrpoActors.Text;

/// <summary>A regular expression over code points: what Oniguruma matches in UTF-8, matched in UTF-16.</summary>
/// <remarks>.NET's own Regex sees UTF-16 units, for which 𝒜 is no letter and <c>[^\s]</c> is half an emoji; hence this one. It backtracks, but a
/// loop that cannot profit from giving back is possessive (all but one of the published patterns'), and once an attempt has backtracked far,
/// each state is tried once only, so no pattern is exponential. The published patterns take time linear in the text; a look-ahead that scans far from
/// every place (Cohere's over a long run of digits) is quadratic. Any number of threads may use one instance.</remarks>
internal sealed class Pattern
{
    private const int OtherCodePoint = 128;
    private const int EndOfText = 129;

    // Backtracks of one attempt before its states are remembered: remembering costs more than the short retries of ordinary text.
    private const int BacktracksUnremembered = 4096;

    private readonly PatternInstruction[] _code;
    private readonly bool[] _canBegin;

    private Pattern(PatternNode node)
    {
        _code = PatternCompiler.Compile(node);
        var (first, empty) = PatternCompiler.First(node);
        _canBegin = [.. Enumerable.Range(0, OtherCodePoint).Select(c => empty || first.Contains(c)), empty || first.ReachesBeyondAscii];
    }

    /// <exception cref="FormatException">What is not supported, and where; the start of a sentence goes before it.</exception>
    public static Pattern Parse(string source) => new(PatternParser.Parse(source));

    /// <summary>The first match that begins at or after <paramref name="from"/> and is not empty. What stands before counts for
    /// look-behind and anchors.</summary>
    public bool Find(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        for (start = from; start < text.Length; start += char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1)
        {
            if (_canBegin[Math.Min(text[start], (char)OtherCodePoint)])
            {
                end = Run(_code, text, start);
                if (end > start)
                {
                    return true;
                }
            }
        }

        end = text.Length;
        return false;
    }

    // Where the match from start ends, or -1.
    private static int Run(PatternInstruction[] code, ReadOnlySpan<char> text, int start)
    {
        var frames = new Frames(stackalloc Frame[16]);
        int pc = 0, at = start;
        while (true)
        {
            var instruction = code[pc];
            bool matched = true;
            switch (instruction.Op)
            {
                case PatternOp.Match:
                    return at;
                case PatternOp.Jump:
                    pc = instruction.Targets[0];
                    continue;
                case PatternOp.One:
                    matched = at < text.Length && instruction.Set!.Contains(CodePoints.At(text, at, out int units)) && Advance(ref at, units);
                    break;
                case PatternOp.Loop:
                    int low = Loop(instruction, text, ref at);
                    matched = low >= 0;
                    if (matched && !instruction.Possessive && at > low)
                    {
                        frames.Push(new Frame(pc, at, low, 0));
                    }

                    break;
                case PatternOp.Choice:
                    ulong candidates = instruction.Candidates[at < text.Length ? Math.Min(text[at], (char)OtherCodePoint) : EndOfText];
                    matched = candidates != 0;
                    if (matched)
                    {
                        pc = Choose(instruction, pc, at, candidates, ref frames);
                        continue;
                    }

                    break;
                case PatternOp.Atomic:
                    int end = Run(instruction.Body, text, at);
                    matched = end >= 0;
                    at = matched ? end : at;
                    break;
                case PatternOp.Look:
                    matched = Looks(instruction, text, at) != instruction.Negative;
                    break;
                case PatternOp.Anchor:
                    matched = Holds(instruction.Anchor, text, at);
                    break;
            }

            if (matched)
            {
                pc++;
            }
            else if (!Backtrack(code, text, ref frames, out pc, out at))
            {
                return -1;
            }
        }
    }

    private static bool Advance(ref int at, int units)
    {
        at += units;
        return true;
    }

    // Moves over as many code points as the loop may take; returns where its minimum was reached, or -1 if it was not.
    private static int Loop(PatternInstruction loop, ReadOnlySpan<char> text, ref int at)
    {
        var set = loop.Set!;
        int count = 0, low = loop.Min == 0 ? at : -1;
        while (count < loop.Max && at < text.Length && set.Contains(CodePoints.At(text, at, out int units)))
        {
            at += units;
            if (++count == loop.Min)
            {
                low = at;
            }
        }

        return low;
    }

    private static int Choose(PatternInstruction choice, int pc, int at, ulong candidates, ref Frames frames)
    {
        int chosen = BitOperations.TrailingZeroCount(candidates);
        ulong others = candidates & (candidates - 1);
        if (others != 0)
        {
            frames.Push(new Frame(pc, at, 0, others));
        }

        return choice.Targets[chosen];
    }

    private static bool Backtrack(PatternInstruction[] code, ReadOnlySpan<char> text, ref Frames frames, out int pc, out int at)
    {
        while (frames.TryPop(out var frame))
        {
            var instruction = code[frame.Pc];
            if (instruction.Op == PatternOp.Choice)
            {
                at = frame.At;
                pc = Choose(instruction, frame.Pc, at, frame.Others, ref frames);
            }
            else
            {
                at = frame.At - (frame.At - frame.Low >= 2 && char.IsLowSurrogate(text[frame.At - 1]) ? 2 : 1);
                pc = frame.Pc + 1;
                if (at > frame.Low)
                {
                    frames.Push(frame with { At = at });
                }
            }

            if (frames.IsNew(pc, at))
            {
                return true;
            }
        }

        pc = at = 0;
        return false;
    }

    private static bool Looks(PatternInstruction look, ReadOnlySpan<char> text, int at)
    {
        if (!look.Behind)
        {
            return Run(look.Body, text, at) >= 0;
        }

        int from = at;
        for (int i = 0; i < look.Width; i++)
        {
            if (from == 0)
            {
                return false;
            }

            from -= CodePoints.Before(text, from) > 0xFFFF ? 2 : 1;
        }

        return Run(look.Body, text, from) == at;
    }

    private static bool Holds(AnchorKind anchor, ReadOnlySpan<char> text, int at) => anchor switch
    {
        AnchorKind.TextStart => at == 0,
        AnchorKind.TextEnd => at == text.Length,
        AnchorKind.TextEndOrFinalNewline => at == text.Length || (at == text.Length - 1 && text[at] == '\n'),
        AnchorKind.LineStart => at == 0 || text[at - 1] == '\n',
        AnchorKind.LineEnd => at == text.Length || text[at] == '\n',
        _ => (anchor == AnchorKind.WordBoundary) == (
            (at > 0 && UnicodeProperty.Word.Contains(CodePoints.Before(text, at)))
            != (at < text.Length && UnicodeProperty.Word.Contains(CodePoints.At(text, at, out _)))),
    };

    /// <summary>Where to go on when the present way fails: at a choice, its other candidates; at a loop, anywhere from At down to Low.</summary>
    private readonly record struct Frame(int Pc, int At, int Low, ulong Others);

    private ref struct Frames(Span<Frame> stack)
    {
        private Span<Frame> _stack = stack;
        private int _count;
        private int _backtracks;
        private HashSet<(int Pc, int At)>? _tried;

        public void Push(Frame frame)
        {
            if (_count == _stack.Length)
            {
                var larger = new Frame[_stack.Length * 2];
                _stack.CopyTo(larger);
                _stack = larger;
            }

            _stack[_count++] = frame;
        }

        public bool TryPop(out Frame frame)
        {
            bool any = _count > 0;
            frame = any ? _stack[--_count] : default;
            return any;
        }

        // Nothing is captured, so a state that failed once fails again.
        public bool IsNew(int pc, int at) => ++_backtracks <= BacktracksUnremembered || (_tried ??= []).Add((pc, at));
    }
}
