using System.Globalization;
using System.Text;

namespace GrpoActors.Text.Templates;

/// <summary>C's strftime in the C locale, for <c>strftime_now</c>.</summary>
internal static class Clock
{
    public static string Format(Execution x, DateTimeOffset now, string format)
    {
        var result = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }
            i++;
            // glibc's flags: no padding, blanks, zeros.
            char flag = i + 1 < format.Length && format[i] is '-' or '_' or '0' ? format[i++] : '\0';
            string field = Field(now, format[i]) ?? throw x.TypeError($"strftime_now does not know '%{format[i]}'.");
            bool numeric = field.Length > 1 && field.All(char.IsAsciiDigit);
            string bare = field.TrimStart('0', ' ');
            bare = bare.Length == 0 ? "0" : bare;
            result.Append(flag switch
            {
                '-' when numeric || field.Length > 0 && field[0] == ' ' => bare,
                '_' when numeric => bare.PadLeft(field.Length),
                '0' => field.Replace(' ', '0'),
                _ => field,
            });
        }
        return result.ToString();
    }

    private static string? Field(DateTimeOffset now, char code)
    {
        return code switch
        {
            'd' => In("dd"),
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'm' => In("MM"),
            'b' or 'h' => In("MMM"),
            'B' => In("MMMM"),
            'y' => In("yy"),
            'Y' => now.Year.ToString(CultureInfo.InvariantCulture),
            'C' => (now.Year / 100).ToString("00", CultureInfo.InvariantCulture),
            'H' => In("HH"),
            'I' => In("hh"),
            'k' => now.Hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'l' => ((now.Hour + 11) % 12 + 1).ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'M' => In("mm"),
            'S' => In("ss"),
            'f' => In("ffffff"),
            'p' => In("tt"),
            'P' => In("tt").ToLowerInvariant(),
            'a' => In("ddd"),
            'A' => In("dddd"),
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'u' => (((int)now.DayOfWeek + 6) % 7 + 1).ToString(CultureInfo.InvariantCulture),
            'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'U' => ((now.DayOfYear + 6 - (int)now.DayOfWeek) / 7).ToString("00", CultureInfo.InvariantCulture),
            'W' => ((now.DayOfYear + 6 - ((int)now.DayOfWeek + 6) % 7) / 7).ToString("00", CultureInfo.InvariantCulture),
            'V' => ISOWeek.GetWeekOfYear(now.DateTime).ToString("00", CultureInfo.InvariantCulture),
            'G' => ISOWeek.GetYear(now.DateTime).ToString(CultureInfo.InvariantCulture),
            'D' or 'x' => In("MM'/'dd'/'yy"),
            'F' => In("yyyy-MM-dd"),
            'T' or 'X' => In("HH':'mm':'ss"),
            'R' => In("HH':'mm"),
            'r' => In("hh':'mm':'ss tt"),
            'c' => $"{In("ddd MMM")} {now.Day,2} {In("HH':'mm':'ss yyyy")}",
            's' => now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            // Python's datetime.now() knows no zone.
            'z' or 'Z' => "",
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => null,
        };

        string In(string pattern) => now.ToString(pattern.Length == 1 ? "%" + pattern : pattern, CultureInfo.InvariantCulture);
    }
}
