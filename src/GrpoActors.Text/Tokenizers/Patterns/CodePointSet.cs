using System.Globalization;

namespace GrpoActors.Text;

/// <summary>A set of Unicode code points. Membership is one look into a bitmap on the basic plane, a binary search above it.</summary>
internal sealed class CodePointSet
{
    private const int Last = 0x10FFFF;

    private static readonly Lazy<CodePointSet[]> ByCategory = new(ReadCategories);

    // Sorted, disjoint, not touching: [from0, to0, from1, to1, ...], both ends included.
    private readonly int[] _bounds;
    private ulong[]? _basicPlane;

    private CodePointSet(int[] bounds) => _bounds = bounds;

    public static CodePointSet Empty { get; } = new([]);

    public static CodePointSet All { get; } = Range(0, Last);

    /// <summary>Unicode's White_Space, which is what <c>\s</c> means to Oniguruma.</summary>
    public static CodePointSet WhiteSpace { get; } =
        Of((0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000));

    public bool IsEmpty => _bounds.Length == 0;

    public bool ReachesBeyondAscii => _bounds.Length > 0 && _bounds[^1] > 0x7F;

    public static CodePointSet Range(int from, int to) => new([from, to]);

    public static CodePointSet Of(params ReadOnlySpan<(int From, int To)> ranges)
    {
        var set = Empty;
        foreach (var (from, to) in ranges)
        {
            set = set.Union(Range(from, to));
        }

        return set;
    }

    public static CodePointSet Category(params ReadOnlySpan<UnicodeCategory> categories)
    {
        var set = Empty;
        foreach (var category in categories)
        {
            set = set.Union(ByCategory.Value[(int)category]);
        }

        return set;
    }

    public bool Contains(int codePoint)
    {
        var plane = _basicPlane ?? BuildBasicPlane();
        if (codePoint < 0x10000)
        {
            return (plane[codePoint >> 6] >> (codePoint & 63) & 1) != 0;
        }

        return ContainsBySearch(codePoint);
    }

    public CodePointSet Union(CodePointSet other)
    {
        if (IsEmpty || other.IsEmpty)
        {
            return IsEmpty ? other : this;
        }

        var bounds = new List<int>(_bounds.Length + other._bounds.Length);
        int i = 0, j = 0;
        while (i < _bounds.Length || j < other._bounds.Length)
        {
            bool mine = j >= other._bounds.Length || (i < _bounds.Length && _bounds[i] <= other._bounds[j]);
            var (from, to) = mine ? (_bounds[i], _bounds[i + 1]) : (other._bounds[j], other._bounds[j + 1]);
            (i, j) = mine ? (i + 2, j) : (i, j + 2);
            if (bounds.Count > 0 && from <= bounds[^1] + 1)
            {
                bounds[^1] = Math.Max(bounds[^1], to);
            }
            else
            {
                bounds.Add(from);
                bounds.Add(to);
            }
        }

        return new([.. bounds]);
    }

    public CodePointSet Complement()
    {
        var bounds = new List<int>(_bounds.Length + 2);
        int from = 0;
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            if (_bounds[i] > from)
            {
                bounds.Add(from);
                bounds.Add(_bounds[i] - 1);
            }

            from = _bounds[i + 1] + 1;
        }

        if (from <= Last)
        {
            bounds.Add(from);
            bounds.Add(Last);
        }

        return new([.. bounds]);
    }

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();

    public bool Overlaps(CodePointSet other) => !Intersect(other).IsEmpty;

    /// <summary>With the other case of each member: simple folding, so one character never becomes two (ß stays apart from ss).</summary>
    public CodePointSet IgnoringCase()
    {
        var set = this;
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            // Only the basic plane's and only in ranges of a size that a pattern spells out; a property that spans more has both cases anyway.
            for (int c = _bounds[i]; c <= Math.Min(_bounds[i + 1], 0xFFFF) && c - _bounds[i] < 1024; c++)
            {
                int upper = char.ToUpperInvariant((char)c), lower = char.ToLowerInvariant((char)c);
                set = set.Union(Range(upper, upper)).Union(Range(lower, lower));
            }
        }

        // Fold to ASCII, but .NET's invariant casing leaves them out on purpose.
        foreach (var (letter, twin) in new[] { ('s', '\u017F'), ('k', '\u212A'), ('\u00E5', '\u212B') })
        {
            if (set.ContainsBySearch(letter) || set.ContainsBySearch(twin))
            {
                int upper = char.ToUpperInvariant(letter);
                set = set.Union(Range(letter, letter)).Union(Range(upper, upper)).Union(Range(twin, twin));
            }
        }

        return set;
    }

    private bool ContainsBySearch(int codePoint)
    {
        int at = Array.BinarySearch(_bounds, codePoint);
        return at >= 0 || (~at & 1) != 0; // between an even and an odd bound lies a range
    }

    private ulong[] BuildBasicPlane()
    {
        var plane = new ulong[1024];
        for (int i = 0; i < _bounds.Length; i += 2)
        {
            for (int c = _bounds[i]; c <= Math.Min(_bounds[i + 1], 0xFFFF); c++)
            {
                plane[c >> 6] |= 1UL << (c & 63);
            }
        }

        return _basicPlane = plane;
    }

    private static CodePointSet[] ReadCategories()
    {
        var bounds = Enumerable.Range(0, 30).Select(_ => new List<int>()).ToArray();
        int previous = -1;
        for (int c = 0; c <= Last; c++)
        {
            int category = (int)CharUnicodeInfo.GetUnicodeCategory(c);
            if (category == previous)
            {
                bounds[category][^1] = c;
            }
            else
            {
                bounds[category].Add(c);
                bounds[category].Add(c);
                previous = category;
            }
        }

        return [.. bounds.Select(list => new CodePointSet([.. list]))];
    }
}
