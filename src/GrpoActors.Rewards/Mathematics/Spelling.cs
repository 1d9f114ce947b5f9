using System.Text;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>
/// One spelling for what Unicode writes in several: digits, blanks, minus signs, fractions, powers, indices. Nothing is thrown away but characters without
/// width.
/// </summary>
internal static class Spelling
{
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", Raised = "0123456789+-()ni";

    private const string Subscripts = "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₓ", Lowered = "0123456789+-()nx";

    private const string Fractions = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒";

    private static readonly string[] FractionsInLatex =
    [
        "\\frac{1}{2}", "\\frac{1}{3}", "\\frac{2}{3}", "\\frac{1}{4}", "\\frac{3}{4}", "\\frac{1}{5}", "\\frac{2}{5}", "\\frac{3}{5}", "\\frac{4}{5}",
        "\\frac{1}{6}", "\\frac{5}{6}", "\\frac{1}{7}", "\\frac{1}{8}", "\\frac{3}{8}", "\\frac{5}{8}", "\\frac{7}{8}", "\\frac{1}{9}", "\\frac{1}{10}",
    ];

    /// <summary>Linear in the text's length.</summary>
    public static string Normalised(string text)
    {
        int first = text.AsSpan().IndexOfAnyExceptInRange('\0', '\x7f');
        if (first < 0)
        {
            return text;
        }

        var plain = new StringBuilder(text, 0, first, text.Length + 16);
        for (int i = first; i < text.Length; i++)
        {
            char c = text[i];
            int at;
            if (c < 0x80)
            {
                plain.Append(c);
            }
            else if ((at = Superscripts.IndexOf(c)) >= 0)
            {
                i = AppendRun(text, i, "^{", Superscripts, Raised, plain);
            }
            else if ((at = Subscripts.IndexOf(c)) >= 0)
            {
                i = AppendRun(text, i, "_{", Subscripts, Lowered, plain);
            }
            else if ((at = Fractions.IndexOf(c)) >= 0)
            {
                plain.Append(FractionsInLatex[at]);
            }
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                int point = char.ConvertToUtf32(c, text[++i]);
                // Mathematical digits in five founts.
                _ = point is >= 0x1D7CE and <= 0x1D7FF ? plain.Append((char)('0' + (point - 0x1D7CE) % 10)) : plain.Append(c).Append(text[i]);
            }
            else if (c == '—')
            {
                bool sign = (i == 0 || char.IsWhiteSpace(text[i - 1])) && i + 1 < text.Length
                    && (char.IsDigit(text[i + 1]) || "$€£¥₹\\.".Contains(text[i + 1]));
                plain.Append(sign ? '-' : c);
            }
            else
            {
                Append(c, plain);
            }
        }

        return plain.ToString();
    }

    private static int AppendRun(string text, int start, string opening, string from, string to, StringBuilder plain)
    {
        plain.Append(opening);
        int i = start;
        for (int at; i < text.Length && (at = from.IndexOf(text[i])) >= 0; i++)
        {
            plain.Append(to[at]);
        }

        plain.Append('}');
        return i - 1;
    }

    private static void Append(char c, StringBuilder plain)
    {
        if (c is >= '\uff01' and <= '\uff5e')
        {
            plain.Append((char)(c - 0xfee0));
        }
        else if (char.IsDigit(c))
        {
            plain.Append((char)('0' + (int)char.GetNumericValue(c)));
        }
        else if (char.IsWhiteSpace(c))
        {
            plain.Append(c is '\u2028' or '\u2029' or '\u0085' ? '\n' : ' ');
        }
        else
        {
            _ = c switch
            {
                '−' or '–' or '‐' or '‑' or '‒' or '―' or '﹣' or '˗' or '➖' => plain.Append('-'),
                '\u200b' or '\u200c' or '\u200d' or '\u2060' or '\ufeff' or '\u200e' or '\u200f' or '\u00ad' => plain,
                '✕' or '✖' or '⨯' => plain.Append('×'),
                '⋅' or '·' or '∙' or '∗' => plain.Append('*'),
                '÷' or '⁄' or '∕' => plain.Append('/'),
                '∶' => plain.Append(':'),
                '。' => plain.Append('.'),
                '、' or '،' => plain.Append(','),
                '٬' => plain.Append(','),
                '٫' => plain.Append('.'),
                '٪' or '﹪' => plain.Append('%'),
                '≤' or '⩽' or '≦' => plain.Append('≤'),
                '≥' or '⩾' or '≧' => plain.Append('≥'),
                '≈' or '≃' or '≅' or '≒' => plain.Append('≈'),
                '’' or '‘' or '′' or 'ʼ' => plain.Append('\''),
                '″' => plain.Append("''"),
                '“' or '”' or '„' => plain.Append('"'),
                'º' or '˚' => plain.Append('°'),
                '℃' => plain.Append("°C"),
                '℉' => plain.Append("°F"),
                '￥' => plain.Append('¥'),
                '￡' => plain.Append('£'),
                '∣' or '│' => plain.Append('|'),
                '〈' => plain.Append('⟨'),
                '〉' => plain.Append('⟩'),
                '⋯' => plain.Append('…'),
                '∆' => plain.Append('Δ'),
                'µ' => plain.Append('μ'),
                'ϕ' => plain.Append('φ'),
                'ℯ' => plain.Append('e'),
                _ => plain.Append(c),
            };
        }
    }
}
