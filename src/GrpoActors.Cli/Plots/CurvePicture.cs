using System.Globalization;
using System.Net;
using System.Text;

namespace GrpoActors.Cli.Plots;

/// <summary>Curves over the step as an SVG picture. The registry that this project builds against has no plotting library: this is as much of one as a few lines over a grid need.</summary>
internal static class CurvePicture
{
    private const double Left = 64, Top = 40, Width = 640, Height = 320, LineHeight = 18;

    // Okabe and Ito's colours, which people who do not see all colours tell apart; dashes repeat the difference.
    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
    private static readonly string[] Dashes = ["", "7 3", "2 3", "9 3 2 3"];

    /// <exception cref="ArgumentException">There is no curve.</exception>
    public static string Svg(string title, IReadOnlyList<Curve> curves)
    {
        var all = curves.SelectMany(curve => curve.Points).ToList();
        double lastStep = all.Count == 0 ? throw new ArgumentException("There is no curve.", nameof(curves)) : Math.Max(1, all.Max(point => point.Step));
        (double low, double high, double gap) = Scale(Math.Min(0, all.Min(point => point.Value)), all.Max(point => point.Value));
        var svg = new StringBuilder();
        svg.Append(Invariant($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Left + Width + 24} {Top + Height + 48 + (LineHeight * curves.Count)}" font-family="sans-serif" font-size="12">""")).Append('\n');
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        svg.Append(Invariant($"""<text x="{Left}" y="24" font-size="15">{WebUtility.HtmlEncode(title)}</text>""")).Append('\n');
        for (double value = low; value <= high + (gap / 2); value += gap)
        {
            svg.Append(Invariant($"""<path d="M{Left} {Y(value):0.#}h{Width}" stroke="#ddd"/><text x="{Left - 8}" y="{Y(value) + 4:0.#}" text-anchor="end">{value:0.###}</text>""")).Append('\n');
        }

        double stepGap = Math.Max(1, Scale(0, lastStep).Gap);
        for (double step = 0; step <= lastStep; step += stepGap)
        {
            svg.Append(Invariant($"""<text x="{X(step):0.#}" y="{Top + Height + 18}" text-anchor="middle">{step:0}</text>""")).Append('\n');
        }

        svg.Append(Invariant($"""<text x="{Left + Width}" y="{Top + Height + 36}" text-anchor="end">step</text>""")).Append('\n');
        for (int i = 0; i < curves.Count; i++)
        {
            string stroke = $"stroke=\"{Colours[i % Colours.Length]}\" stroke-dasharray=\"{Dashes[i % Dashes.Length]}\" stroke-width=\"2\" fill=\"none\"";
            string points = string.Join(' ', curves[i].Points.Select(point => Invariant($"{X(point.Step):0.#},{Y(point.Value):0.#}")));
            double y = Top + Height + 44 + (LineHeight * i);
            svg.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{points}\" {stroke}/>\n");
            svg.Append(Invariant($"""<path d="M{Left} {y - 4}h28" """)).Append(stroke).Append(Invariant($"""/><text x="{Left + 36}" y="{y}">{WebUtility.HtmlEncode(curves[i].Label)}</text>""")).Append('\n');
        }

        return svg.Append("</svg>\n").ToString();

        double X(double step) => Left + (Width * step / lastStep);
        double Y(double value) => Top + Height - (Height * (value - low) / (high - low));
    }

    /// <summary>Four to ten gaps of 1, 2 or 5 times a power of ten that cover the values.</summary>
    private static (double Low, double High, double Gap) Scale(double low, double high)
    {
        double span = Math.Max(high - low, 1e-9), power = 1e-10;
        while (power * 10 <= span / 4)
        {
            power *= 10;
        }

        double gap = power * (span / power >= 20 ? 5 : span / power >= 8 ? 2 : 1);
        return (Math.Floor(low / gap) * gap, Math.Ceiling((high - (gap * 1e-9)) / gap) * gap, gap);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
