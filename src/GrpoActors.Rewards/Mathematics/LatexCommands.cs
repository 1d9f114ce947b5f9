using System.Collections.Frozen;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>What LaTeX commands stand for: a symbol, a letter, text, or nothing but looks.</summary>
internal static class LatexCommands
{
    public static readonly FrozenDictionary<string, char> Symbols = new Dictionary<string, char>
    {
        ["le"] = '≤',
        ["leq"] = '≤',
        ["leqslant"] = '≤',
        ["leqq"] = '≤',
        ["ge"] = '≥',
        ["geq"] = '≥',
        ["geqslant"] = '≥',
        ["geqq"] = '≥',
        ["lt"] = '<',
        ["gt"] = '>',
        ["ne"] = '≠',
        ["neq"] = '≠',
        ["approx"] = '≈',
        ["thickapprox"] = '≈',
        ["approxeq"] = '≈',
        ["simeq"] = '≈',
        ["equiv"] = '≡',
        ["pm"] = '±',
        ["mp"] = '∓',
        ["cup"] = '∪',
        ["bigcup"] = '∪',
        ["cap"] = '∩',
        ["in"] = '∈',
        ["setminus"] = '∖',
        ["smallsetminus"] = '∖',
        ["cdot"] = '*',
        ["times"] = '×',
        ["ast"] = '*',
        ["div"] = '/',
        ["infty"] = '∞',
        ["emptyset"] = '∅',
        ["varnothing"] = '∅',
        ["degree"] = '°',
        ["textdegree"] = '°',
        ["lfloor"] = '⌊',
        ["rfloor"] = '⌋',
        ["lceil"] = '⌈',
        ["rceil"] = '⌉',
        ["langle"] = '⟨',
        ["rangle"] = '⟩',
        ["vert"] = '|',
        ["lvert"] = '|',
        ["rvert"] = '|',
        ["mid"] = '|',
        ["lbrace"] = '⦃',
        ["rbrace"] = '⦄',
        ["lbrack"] = '[',
        ["rbrack"] = ']',
        ["ldots"] = '…',
        ["dots"] = '…',
        ["cdots"] = '…',
        ["dotsc"] = '…',
        ["dotsb"] = '…',
        ["textdollar"] = '$',
        ["cent"] = '¢',
        ["pounds"] = '£',
        ["euro"] = '€',
        ["colon"] = ':',
        ["prime"] = '\'',
        ["R"] = 'ℝ',
        ["reals"] = 'ℝ',
        ["Reals"] = 'ℝ',
        ["slash"] = '/',
        ["land"] = '∧',
        ["wedge"] = '∧',
        ["lor"] = '∨',
        ["vee"] = '∨',
    }.ToFrozenDictionary();

    public static readonly FrozenSet<string> Greek = new[]
    {
        "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa", "lambda", "mu", "nu", "xi", "rho",
        "varrho", "sigma",
        "varsigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Upsilon", "Phi", "Psi",
        "Omega", "ell", "hbar",
    }.ToFrozenSet();

    public const string GreekLetters = "αβγδεζηθικλμνξρστυφχψωΓΔΘΛΞΣΦΨΩ";

    public static readonly string[] GreekNames =
    [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon",
        "phi", "chi", "psi", "omega",
        "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega",
    ];

    public static readonly FrozenSet<string> Dressing = new[]
    {
        "left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "displaystyle",
        "textstyle", "scriptstyle", "limits",
        "nolimits", "bf", "it", "sf", "tt", "mathstrut", "strut", "large", "Large", "LARGE", "huge", "Huge", "small", "normalsize", "centering", "noindent",
        "quad", "qquad", "enspace",
        "thinspace", "space", "nonumber", "allowbreak", "hfill", "negthinspace", "mathbf", "mathit", "mathcal", "mathscr", "mathfrak", "boldsymbol", "bm",
        "pmb", "ensuremath", "boxed", "fbox",
        "framebox", "mathop", "mathord", "mathrel", "mathbin", "mathpunct", "bold", "underline", "textcolor", "color", "hspace", "vspace", "label", "tag",
        "phantom", "hphantom", "vphantom",
    }.ToFrozenSet();

    public static readonly FrozenSet<string> TakesDroppedArgument =
        new[] { "textcolor", "color", "hspace", "vspace", "label", "tag", "phantom", "hphantom", "vphantom" }.ToFrozenSet();

    public static readonly FrozenSet<string> TextCommands =
        new[] { "text", "textit", "textbf", "textrm", "textsf", "texttt", "textnormal", "textup", "textsc", "textsl", "emph", "mbox", "hbox" }.ToFrozenSet();

    public static readonly FrozenSet<string> RomanCommands = new[] { "mathrm", "operatorname", "mathsf", "mathtt", "rm" }.ToFrozenSet();

    public static readonly FrozenSet<string> DroppedEnvironments =
        new[] { "equation", "equation*", "align", "align*", "aligned", "gather", "gather*", "gathered", "math", "displaymath", "center",
            "split" }.ToFrozenSet();
}
