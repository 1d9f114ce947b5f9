using System.Collections.Frozen;
using System.Collections.Immutable;

namespace GrpoActors.Rewards.Mathematics;

/// <summary>What stands beside a number: a measure of a known size (60 minutes are an hour), words that only have to agree (apples), or both.</summary>
/// <param name="Bases">Powers of the base units.</param>
/// <param name="Factor">How many base units one is.</param>
/// <param name="Words">Words of no known size, in the singular.</param>
internal sealed record Unit(ImmutableSortedDictionary<string, int> Bases, Rational Factor, ImmutableSortedSet<string> Words)
{
    public static Unit None { get; } = new(ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal), Rational.One,
        ImmutableSortedSet.Create<string>(StringComparer.Ordinal));

    public static Unit Dollar { get; } = Known("usd", 1);

    public static Unit Degree { get; } = Known("degree", 1);

    public const string Ordinal = "ordinal";

    public bool IsNone => Bases.IsEmpty && Words.IsEmpty;

    private static Unit Known(string name, int up, int down = 1, int power = 1) =>
        None with { Bases = None.Bases.Add(name, power), Factor = Rational.Of(up, down)!.Value };

    private static readonly FrozenDictionary<string, Unit> Table = Measures();

    private static FrozenDictionary<string, Unit> Measures()
    {
        var table = new Dictionary<string, Unit>(StringComparer.Ordinal);
        void Add(string names, string name, int up, int down = 1, int power = 1)
        {
            foreach (string written in names.Split(' '))
            {
                table.Add(written, Known(name, up, down, power));
            }
        }

        Add("m meter meters metre metres", "meter", 1);
        Add("km kilometer kilometers kilometre kilometres", "meter", 1_000);
        Add("dm decimeter decimeters", "meter", 1, 10);
        Add("cm centimeter centimeters centimetre centimetres", "meter", 1, 100);
        Add("mm millimeter millimeters millimetre millimetres", "meter", 1, 1_000);
        Add("inch inches", "meter", 254, 10_000);
        Add("ft foot feet", "meter", 3_048, 10_000);
        Add("yd yard yards", "meter", 9_144, 10_000);
        Add("mi mile miles", "meter", 1_609_344, 1_000);
        Add("ha hectare hectares", "meter", 10_000, power: 2);
        Add("acre acres", "acre", 1);
        Add("L l liter liters litre litres", "meter", 1, 1_000, 3);
        Add("ml mL milliliter milliliters millilitre millilitres", "meter", 1, 1_000_000, 3);
        Add("cl cL", "meter", 1, 100_000, 3);
        Add("gallon gallons gal", "gallon", 1);
        Add("quart quarts", "gallon", 1, 4);
        Add("pint pints", "gallon", 1, 8);
        Add("cup cups", "gallon", 1, 16);
        Add("g gram grams", "gram", 1);
        Add("kg kilogram kilograms kilo kilos", "gram", 1_000);
        Add("mg milligram milligrams", "gram", 1, 1_000);
        Add("tonne tonnes", "gram", 1_000_000);
        Add("ton tons", "ton", 1);
        Add("lb lbs pound pounds £ GBP", "pound", 1); // weight or money: both are called so
        Add("oz ounce ounces", "pound", 1, 16);
        Add("s sec secs second seconds", "second", 1);
        Add("ms millisecond milliseconds", "second", 1, 1_000);
        Add("min mins minute minutes", "second", 60);
        Add("h hr hrs hour hours", "second", 3_600);
        Add("day days", "second", 86_400);
        Add("week weeks", "second", 604_800);
        Add("month months", "month", 1);
        Add("year years yr yrs", "month", 12);
        Add("$ dollar dollars USD usd buck bucks", "usd", 1);
        Add("¢ cent cents", "usd", 1, 100);
        Add("€ euro euros EUR", "eur", 1);
        Add("¥ yen JPY", "jpy", 1);
        Add("₹ rupee rupees Rs INR", "inr", 1);
        Add("yuan RMB CNY 元", "cny", 1);
        Add("degree degrees deg", "degree", 1);
        Add("°C celsius Celsius", "celsius", 1);
        Add("°F fahrenheit Fahrenheit", "fahrenheit", 1);
        Add("rad radian radians", "radian", 1);
        Add("N newton newtons", "newton", 1);
        Add("J joule joules", "joule", 1);
        Add("kJ", "joule", 1_000);
        Add("W watt watts", "watt", 1);
        Add("kW kilowatt kilowatts", "watt", 1_000);
        Add("V volt volts", "volt", 1);
        Add("A amp amps ampere amperes", "ampere", 1);
        Add("K kelvin Kelvin", "kelvin", 1);
        Add("Hz hertz", "hertz", 1);
        Add("unit units", "unit", 1);
        table.Add("mph", table["mile"].Over(table["hour"]));
        table.Add("kph", table["km"].Over(table["hour"]));
        table.Add("kmh", table["km"].Over(table["hour"]));
        table.Add("sqft", table["foot"].To(2));
        return table.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Words that say nothing about what is counted.</summary>
    private static readonly FrozenSet<string> Silent = new[]
    {
        "in", "total", "altogether", "all", "of", "the", "each", "apiece", "left", "long", "wide", "tall", "high", "deep", "old", "away", "remaining",
        "apart", "only", "now", "more", "overall",
        "together", "whole", "combined", "every", "worth", "exactly", "this", "that", "these", "those", "her", "his", "their", "its", "my", "our", "your",
        "there", "here",
    }.ToFrozenSet();

    /// <summary>
    /// Words that make something else of a number: a hedge, a relation, a further operation, a sentence. No unit holds them, so the whole is not read as
    /// that number.
    /// </summary>
    private static readonly FrozenSet<string> Forbidden = new[]
    {
        "is", "isn't", "are", "aren't", "was", "wasn't", "were", "be", "been", "not", "no", "never", "none", "nor", "cannot", "can't", "don't", "doesn't",
        "didn't", "won't", "or", "either",
        "neither", "maybe", "perhaps", "possibly", "probably", "likely", "unlikely", "might", "may", "could", "should", "would", "will", "can", "must", "if",
        "unless", "whether", "when", "while",
        "but", "except", "otherwise", "else", "versus", "vs", "to", "from", "between", "plus", "minus", "times", "multiplied", "divided", "over", "by",
        "than", "least", "most", "minimum", "maximum",
        "min.", "max", "under", "above", "below", "beyond", "up", "down", "approximately", "approx", "about", "roughly", "around", "nearly", "almost",
        "wrong", "incorrect", "false", "true", "right",
        "correct", "guess", "unsure", "sure", "remainder", "modulo", "mod", "choose", "squared", "cubed", "factorial", "hundred", "thousand", "million",
        "billion", "trillion", "percent",
        "percentage", "dozen", "score", "half", "halves", "third", "thirds", "quarter", "quarters", "fourths", "fifth", "fifths", "negative", "positive",
        "infinity", "since", "because", "as",
        "so", "therefore", "thus", "hence", "then", "and", "with", "without", "before", "after", "past", "ago", "until", "BC", "bc", "am", "pm", "noon",
        "midnight", "out", "versus", "ish", "plusminus",
        "power", "th", "st", "nd", "rd", "base", "equals", "equal", "has", "have", "had", "does", "do", "did", "what", "who", "how", "why", "it", "he",
        "she", "they", "we", "you", "both", "off",
        "instead", "rather", "actually", "wait", "alternatively", "double", "twice", "triple", "thrice", "lakh", "crore", "less", "debt", "loss", "short",
        "point", "digits", "sqrt", "log", "sin",
        "cos", "tan", "ln", "exp", "pi", "infinite", "union", "万", "亿", "千", "百", "十", "半",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public static bool IsMeasure(string word) => Table.ContainsKey(word) || Table.ContainsKey(word.ToLowerInvariant());

    public static bool IsForbidden(string word) => Forbidden.Contains(word) || NumberWords.IsNumber(word);

    /// <summary>Null for a word that no unit holds.</summary>
    public static Unit? Of(string word)
    {
        if (Table.TryGetValue(word, out Unit? unit) || (word.Length > 2 && Table.TryGetValue(word.ToLowerInvariant(), out unit)))
        {
            return unit;
        }

        return IsForbidden(word) ? null : Silent.Contains(word.ToLowerInvariant()) ? None
            : None with { Words = None.Words.Add(Singular(word.ToLowerInvariant())) };
    }

    private static string Singular(string word) => word switch
    {
        "people" or "persons" => "person",
        "children" => "child",
        "men" => "man",
        "women" => "woman",
        _ when word.EndsWith("ies") && word.Length > 4 => word[..^3] + "y",
        _ when word.EndsWith("ches") || word.EndsWith("shes") || word.EndsWith("xes") || word.EndsWith("sses") => word[..^2],
        _ when word.EndsWith('s') && !word.EndsWith("ss") && word.Length > 2 => word[..^1],
        _ => word,
    };

    public Unit Times(Unit other)
    {
        var bases = Bases;
        foreach ((string name, int power) in other.Bases)
        {
            int sum = bases.GetValueOrDefault(name) + power;
            bases = sum == 0 ? bases.Remove(name) : bases.SetItem(name, sum);
        }

        return new(bases, Rational.Multiply(Factor, other.Factor) ?? Factor, Words.Union(other.Words));
    }

    public Unit Over(Unit other) => Times(other.Bases.IsEmpty && !other.Words.IsEmpty
        ? None with { Words = [.. other.Words.Select(word => "/" + word)] }
        : other.To(-1));

    public Unit To(int power)
    {
        if (Words.IsEmpty)
        {
            var bases = Bases;
            foreach ((string name, int old) in Bases)
            {
                bases = bases.SetItem(name, old * power);
            }

            return this with { Bases = bases, Factor = Rational.Power(Factor, power) ?? Factor };
        }

        return this with { Words = [.. Words.Select(word => $"{word}^{power}")] };
    }

    /// <summary>How many of <paramref name="wanted"/> one of <paramref name="said"/> is; null where they measure or count different things.</summary>
    /// <remarks>One side may lack its unit: 6 says "6 hours", and "30 cm^2" says 30.</remarks>
    public static Rational? Ratio(Unit? wanted, Unit? said)
    {
        if (wanted is not { IsNone: false } || said is not { IsNone: false })
        {
            // The 5th is not 5.
            return said is not null && said.Words.Contains(Ordinal) ? null : Rational.One;
        }

        bool agree = wanted.Bases.Count == said.Bases.Count && wanted.Bases.All(unit => said.Bases.GetValueOrDefault(unit.Key) == unit.Value)
            && (wanted.Words.IsSubsetOf(said.Words) || said.Words.IsSubsetOf(wanted.Words))
            && (!wanted.Bases.IsEmpty || (!wanted.Words.IsEmpty && !said.Words.IsEmpty))
            && wanted.Words.Union(said.Words).All(word => !word.StartsWith('/') || (wanted.Words.Contains(word) && said.Words.Contains(word)));
        return agree ? Rational.Divide(said.Factor, wanted.Factor) : null;
    }

    public override string ToString() => string.Join(' ', Bases.Select(unit => unit.Value == 1 ? unit.Key : $"{unit.Key}^{unit.Value}").Concat(Words))
        + (Factor == Rational.One ? "" : $" times {Factor}");
}
