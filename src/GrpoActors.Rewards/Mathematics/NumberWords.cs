namespace GrpoActors.Rewards.Mathematics;

/// <summary>English cardinals: <c>zero</c>, <c>forty-two</c>, <c>minus three hundred and five</c>, <c>two thousand</c>.</summary>
internal static class NumberWords
{
    private static readonly string[] Small =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] Tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    public static MathExpression? Parse(string text)
    {
        bool negative = text.StartsWith('-');
        string[] words = text.TrimStart('-').ToLowerInvariant().Split([' ', '-'], StringSplitOptions.RemoveEmptyEntries);
        long total = 0, current = 0;
        bool any = false;
        foreach (string word in words)
        {
            int small = Array.IndexOf(Small, word), tens = Array.IndexOf(Tens, word);
            if (small >= 0 || tens >= 0)
            {
                current += small >= 0 ? small : 20 + 10 * tens;
                any = true;
            }
            else if (word == "hundred" && any)
            {
                current *= 100;
            }
            else if (word is "thousand" or "million" && any)
            {
                total += current * (word == "thousand" ? 1_000 : 1_000_000);
                current = 0;
            }
            else if (word != "and" || !any)
            {
                return null;
            }
            if (current > 1_000_000 || total > 1_000_000_000_000)
            {
                return null;
            }
        }
        MathExpression number = new MathExpression.Number(Quantity.Of(total + current));
        return !any ? null : negative ? new MathExpression.Negative(number) : number;
    }
}
