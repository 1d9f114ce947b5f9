using System.Globalization;
using System.Numerics;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>Python's <c>'%s' % x</c> and <c>'{}'.format(x)</c>.</summary>
internal static class Formatting
{
    private const int WidthMax = 10_000;

    /// <param name="Flags">Any of <c>-+ #0</c>.</param>
    /// <param name="Width">In code points.</param>
    /// <param name="Precision">-1 if absent.</param>
    /// <param name="Type">The conversion's letter.</param>
    private readonly record struct Conversion(string Flags, int Width, int Precision, char Type);

    public static TextValue Percent(Execution x, TextValue format, Value arguments)
    {
        string text = format.Text;
        var result = new StringBuilder();
        var rest = new Queue<Value>(arguments is TupleValue tuple ? tuple.Items : [arguments]);
        bool byName = false;
        for (int i = 0; i < text.Length; i++)
        {
            x.Step();
            if (text[i] != '%')
            {
                result.Append(text[i]);
                continue;
            }
            i++;
            Value? named = ReadName(x, text, ref i, arguments);
            byName |= named is not null;
            var conversion = ReadConversion(x, text, ref i);
            if (conversion.Type == '%')
            {
                result.Append('%');
                continue;
            }
            var value = named ?? (rest.TryDequeue(out var next) ? next : throw x.TypeError("not enough arguments for format string"));
            string piece = Converted(x, conversion, value, format.IsMarkup);
            x.Allocate(piece.Length);
            result.Append(piece);
        }
        // Python lets anything with [] that is no string and no tuple go unused here.
        if (rest.Count > 0 && !byName && arguments is not (DictValue or ListValue or RangeValue or UndefinedValue))
        {
            throw x.TypeError("not all arguments converted during string formatting");
        }
        return x.Text(result.ToString(), format);
    }

    private static Value? ReadName(Execution x, string text, ref int i, Value arguments)
    {
        if (i >= text.Length || text[i] != '(')
        {
            return null;
        }
        int close = text.IndexOf(')', i);
        if (close < 0 || arguments is not DictValue mapping)
        {
            throw x.TypeError(close < 0 ? "incomplete format key" : "format requires a mapping");
        }
        string name = text[(i + 1)..close];
        i = close + 1;
        return mapping.Find(name) ?? throw x.TypeError($"The format names {PythonText.Repr(name)}, which the mapping lacks.");
    }

    private static Conversion ReadConversion(Execution x, string text, ref int i)
    {
        int start = i;
        while (i < text.Length && "-+ #0".Contains(text[i]))
        {
            i++;
        }
        string flags = text[start..i];
        int width = ReadNumber(x, text, ref i) ?? 0;
        int precision = -1;
        if (i < text.Length && text[i] == '.')
        {
            i++;
            precision = ReadNumber(x, text, ref i) ?? 0;
        }
        return i < text.Length
            ? new Conversion(flags, width, precision, text[i])
            : throw x.TypeError("incomplete format");
    }

    private static int? ReadNumber(Execution x, string text, ref int i)
    {
        int start = i;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
        {
            i++;
        }
        if (i == start)
        {
            return null;
        }
        return i - start <= 5 && int.Parse(text.AsSpan(start, i - start), CultureInfo.InvariantCulture) is <= WidthMax and var n
            ? n
            : throw x.Error(TemplateErrorKind.Limit, $"A format asks for more than {WidthMax} characters.");
    }

    private static string Converted(Execution x, Conversion c, Value value, bool escapes)
    {
        if (c.Type is 's' or 'r' or 'a')
        {
            string text = c.Type == 's' ? Representation.Str(x, value) : Representation.Repr(x, value);
            text = escapes ? Operators.Escaped(x, value as TextValue ?? new TextValue(text)).Text : text;
            text = c.Precision >= 0 ? text[..PythonText.OffsetOf(text, c.Precision)] : text;
            return TextMethods.Padded(x, text, c.Width, " ", c.Flags.Contains('-') ? '<' : '>');
        }
        if (c.Type == 'c' && value is TextValue one && PythonText.Length(one.Text) == 1)
        {
            return TextMethods.Padded(x, one.Text, c.Width, " ", c.Flags.Contains('-') ? '<' : '>');
        }
        if (Operators.AsNumber(value) is not { } number)
        {
            throw x.TypeError($"%{c.Type} format: a number is required, not {value.TypeName}");
        }
        char align = c.Flags.Contains('-') ? '<' : c.Flags.Contains('0') ? '=' : '>';
        char sign = c.Flags.Contains('+') ? '+' : c.Flags.Contains(' ') ? ' ' : '-';
        char type = c.Type is 'i' or 'u' ? 'd' : c.Type;
        if (type is 'd' or 'x' or 'X' or 'o' && number.IsFloat)
        {
            number = type == 'd' && double.IsFinite(number.Real)
                ? new Operators.Number(new BigInteger(number.Real), 0, false)
                : throw x.TypeError($"%{c.Type} format: an integer is required, not float");
        }
        return OfNumber(x, number, new Spec(align == '=' ? "0" : " ", align, sign, c.Flags.Contains('#'), c.Width, "", c.Precision, type));
    }

    /// <summary>A format specification: <c>[[fill]align][sign][#][0][width][,][.precision][type]</c>.</summary>
    private readonly record struct Spec(string Fill, char Align, char Sign, bool Prefixed, int Width, string Group, int Precision, char Type);

    private static string OfNumber(Execution x, Operators.Number number, Spec spec)
    {
        bool negative = number.IsFloat ? double.IsNegative(number.Real) : number.Whole.Sign < 0;
        string digits = Digits(x, number, spec);
        string sign = negative ? "-" : spec.Sign == '-' ? "" : spec.Sign.ToString();
        if (spec.Group.Length > 0)
        {
            digits = Grouped(digits, spec.Group);
        }
        if (spec.Prefixed && spec.Type is 'x' or 'X' or 'o' or 'b')
        {
            sign += "0" + spec.Type;
        }
        return spec.Align == '='
            ? sign + TextMethods.Padded(x, digits, spec.Width - sign.Length, spec.Fill, '>')
            : TextMethods.Padded(x, sign + digits, spec.Width, spec.Fill, spec.Align);
    }

    private static string Digits(Execution x, Operators.Number number, Spec spec)
    {
        var whole = BigInteger.Abs(number.Whole);
        if (!number.IsFloat)
        {
            switch (spec.Type)
            {
                case 'd' or 'n' or '\0': return PythonText.Integer(whole).PadLeft(Math.Max(0, spec.Precision), '0');
                case 'x' or 'X' or 'o' or 'b': return Radix(whole, spec.Type);
            }
        }
        double real = Math.Abs(Operators.Real(x, number));
        if (!double.IsFinite(real))
        {
            return double.IsNaN(real) ? "nan" : "inf";
        }
        int precision = spec.Precision < 0 ? 6 : spec.Precision;
        x.Allocate(precision + 400);
        switch (spec.Type)
        {
            case 'f' or 'F': return PythonText.Fixed(real, precision);
            case '%': return PythonText.Fixed(real * 100, precision) + "%";
            case 'e' or 'E': return Scientific(real, precision, spec.Type);
            case 'g' or 'G': return General(real, Math.Max(1, precision), spec.Type);
            case '\0' when spec.Precision < 0: return PythonText.Float(real);
            case '\0': return General(real, Math.Max(1, precision), 'g');
            default: throw x.TypeError($"Unknown format code '{spec.Type}' for object of type '{(number.IsFloat ? "float" : "int")}'");
        }
    }

    private static string Radix(BigInteger whole, char type)
    {
        int radix = type switch { 'o' => 8, 'b' => 2, _ => 16 };
        var digits = new StringBuilder();
        do
        {
            digits.Insert(0, "0123456789abcdef"[(int)(whole % radix)]);
            whole /= radix;
        }
        while (!whole.IsZero);
        return type == 'X' ? digits.ToString().ToUpperInvariant() : digits.ToString();
    }

    private static string Scientific(double real, int precision, char letter) =>
        real.ToString((precision == 0 ? "0" : "0." + new string('0', precision)) + letter + "+00", CultureInfo.InvariantCulture);

    private static string General(double real, int precision, char letter)
    {
        string scientific = real.ToString("E" + (precision - 1), CultureInfo.InvariantCulture);
        int exponent = real == 0 ? 0 : int.Parse(scientific.AsSpan(scientific.IndexOf('E') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= precision)
        {
            string mantissa = scientific[..scientific.IndexOf('E')];
            mantissa = mantissa.Contains('.') ? mantissa.TrimEnd('0').TrimEnd('.') : mantissa;
            char e = letter == 'G' ? 'E' : 'e';
            return $"{mantissa}{e}{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        string plain = PythonText.Fixed(real, precision - 1 - exponent);
        return plain.Contains('.') ? plain.TrimEnd('0').TrimEnd('.') : plain;
    }

    private static string Grouped(string digits, string separator)
    {
        int end = digits.AsSpan().IndexOfAnyExceptInRange('0', '9');
        end = end < 0 ? digits.Length : end;
        var result = new StringBuilder(digits);
        for (int at = end - 3; at > 0; at -= 3)
        {
            result.Insert(at, separator);
        }
        return result.ToString();
    }

    public static TextValue Braces(Execution x, TextValue format, Arguments arguments)
    {
        string text = format.Text;
        var result = new StringBuilder();
        int automatic = 0;
        for (int i = 0; i < text.Length; i++)
        {
            x.Step();
            char c = text[i];
            if (c is '{' or '}' && i + 1 < text.Length && text[i + 1] == c)
            {
                result.Append(c);
                i++;
            }
            else if (c == '}')
            {
                throw x.TypeError("Single '}' encountered in format string");
            }
            else if (c == '{')
            {
                int close = text.IndexOf('}', i);
                if (close < 0)
                {
                    throw x.TypeError("expected '}' before end of string");
                }
                string piece = Field(x, text[(i + 1)..close], arguments, ref automatic, format.IsMarkup);
                x.Allocate(piece.Length);
                result.Append(piece);
                i = close;
            }
            else
            {
                result.Append(c);
            }
        }
        return x.Text(result.ToString(), format);
    }

    private static string Field(Execution x, string field, Arguments arguments, ref int automatic, bool escapes)
    {
        int colon = field.IndexOf(':');
        string spec = colon < 0 ? "" : field[(colon + 1)..];
        string name = colon < 0 ? field : field[..colon];
        int bang = name.IndexOf('!');
        string conversion = bang < 0 ? "" : name[(bang + 1)..];
        name = bang < 0 ? name : name[..bang];
        if (spec.Contains('{') || conversion is not ("" or "s" or "r"))
        {
            throw x.TypeError("A format field inside a specification, or a conversion other than !s and !r, is not supported.");
        }
        var value = FieldValue(x, name, arguments, ref automatic);
        if (conversion.Length > 0)
        {
            value = new TextValue(conversion == "r" ? Representation.Repr(x, value) : Representation.Str(x, value));
        }
        string text = Formatted(x, value, spec);
        return escapes ? Operators.Escaped(x, value is TextValue { IsMarkup: true } ? new TextValue(text, markup: true) : new TextValue(text)).Text : text;
    }

    private static Value FieldValue(Execution x, string name, Arguments arguments, ref int automatic)
    {
        int end = name.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? name : name[..end];
        if (first.Length == 0)
        {
            first = (automatic++).ToString(CultureInfo.InvariantCulture);
        }
        Value? value = int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            ? arguments.Positional.ElementAtOrDefault(index)
            : arguments.Named.FirstOrDefault(n => n.Key == first).Value;
        value = value ?? throw x.TypeError($"The format asks for argument '{first}', which was not given.");
        for (int i = end; i >= 0 && i < name.Length;)
        {
            x.Step();
            if (name[i] == '.')
            {
                int stop = name.AsSpan(i + 1).IndexOfAny('.', '[') is >= 0 and var n ? i + 1 + n : name.Length;
                value = Access.Attribute(x, value, name[(i + 1)..stop]);
                i = stop;
                continue;
            }
            int close = name.IndexOf(']', i);
            if (name[i] != '[' || close < 0)
            {
                throw x.TypeError("Missing ']' in format string");
            }
            string key = name[(i + 1)..close];
            value = Access.Item(x, value, key.Length is > 0 and < 9 && key.All(char.IsAsciiDigit)
                ? new IntValue(int.Parse(key, CultureInfo.InvariantCulture))
                : new TextValue(key));
            i = close + 1;
        }
        return value;
    }

    private static string Formatted(Execution x, Value value, string spec)
    {
        if (spec.Length == 0)
        {
            return Representation.Str(x, value);
        }
        var parsed = ReadSpec(x, spec);
        bool aligned = parsed.Align != '\0';
        if (value is TextValue text)
        {
            if (parsed.Type is not ('s' or '\0'))
            {
                throw x.TypeError($"Unknown format code '{parsed.Type}' for object of type 'str'");
            }
            string kept = parsed.Precision >= 0 ? text.Text[..PythonText.OffsetOf(text.Text, parsed.Precision)] : text.Text;
            return TextMethods.Padded(x, kept, parsed.Width, parsed.Fill, !aligned ? '<' : parsed.Align == '^' ? 'c' : parsed.Align);
        }
        if (Operators.AsNumber(value) is not { } number)
        {
            throw x.TypeError($"unsupported format string passed to {value.TypeName}.__format__");
        }
        return OfNumber(x, number, parsed with { Align = !aligned ? '>' : parsed.Align == '^' ? 'c' : parsed.Align });
    }

    private static Spec ReadSpec(Execution x, string spec)
    {
        int i = 0;
        string fill = " ";
        char align = '\0';
        string first = PythonText.CodePoints(spec).First();
        if (spec.Length > first.Length && "<>=^".Contains(spec[first.Length]))
        {
            (fill, align, i) = (first, spec[first.Length], first.Length + 1);
        }
        else if ("<>=^".Contains(spec[0]))
        {
            (align, i) = (spec[0], 1);
        }
        char sign = i < spec.Length && "+- ".Contains(spec[i]) ? spec[i++] : '-';
        bool prefixed = i < spec.Length && spec[i] == '#';
        i += prefixed ? 1 : 0;
        if (i < spec.Length && spec[i] == '0' && align == '\0')
        {
            (fill, align) = ("0", '=');
            i++;
        }
        int width = ReadNumber(x, spec, ref i) ?? 0;
        string group = i < spec.Length && spec[i] is ',' or '_' ? spec[i++].ToString() : "";
        int precision = -1;
        if (i < spec.Length && spec[i] == '.')
        {
            i++;
            precision = ReadNumber(x, spec, ref i) ?? throw x.TypeError("Format specifier missing precision");
        }
        char type = i < spec.Length ? spec[i++] : '\0';
        return i == spec.Length
            ? new Spec(fill, align, sign, prefixed, width, group, precision, type)
            : throw x.TypeError($"Invalid format specifier '{spec}'");
    }
}
