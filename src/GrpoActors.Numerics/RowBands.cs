namespace GrpoActors.Numerics;

/// <summary>Rows cut into bands of about 8,192 elements: the items of kernels that work row by row.</summary>
internal readonly struct RowBands(int rows, int width)
{
    private readonly int _rows = rows, _height = Math.Max(1, 8192 / Math.Max(1, width));

    public int Items => (_rows + _height - 1) / _height;

    public int Start(int item) => item * _height;

    public int End(int item) => Math.Min(_rows, (item + 1) * _height);
}

/// <summary>Elements cut into runs of 8,192: the items of kernels that know no rows.</summary>
internal readonly struct Runs(nint length)
{
    private const int Size = 8192;

    public int Items => (int)((length + Size - 1) / Size);

    public nint Start(int item) => (nint)item * Size;

    public nint End(int item) => Math.Min(length, (nint)(item + 1) * Size);
}

internal static class Shapes
{
    public static void Equal(long found, long expected, string name)
    {
        if (found != expected)
            throw new ArgumentException($"The shapes of the other arguments ask for {expected} elements, but {name} has {found}.", name);
    }

    /// <summary>Rows of a width at a stride must lie inside a span.</summary>
    public static void Rows(long length, int rows, int width, int stride, string name)
    {
        if (stride < width || (rows > 0 && ((rows - 1L) * stride) + width > length))
            throw new ArgumentException($"{rows} rows of {width} at stride {stride} were expected, but {name} has {length} elements.", name);
    }
}
