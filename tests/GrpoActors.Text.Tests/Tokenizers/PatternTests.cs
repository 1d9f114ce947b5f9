using Xunit;

namespace GrpoActors.Text.Tests;

public class PatternTests
{
    [Theory]
    [InlineData(@"\p{L}+", "1𝒜𝐁2", "𝒜𝐁")]
    [InlineData(@"[^\s]", "😀", "😀")]
    [InlineData(@".", "\n😀", "😀")]
    [InlineData(@"\p{N}{1,3}", "a12345", "123")]
    [InlineData(@"\s+(?!\S)", "  x", " ")]
    [InlineData(@"\s+(?!\S)|\s+", " x", " ")]
    [InlineData(@"(?i:'s|'t)", "'S", "'S")]
    [InlineData(@"(?i:'s)", "'ſ", "'ſ")]
    [InlineData(@"[^\r\n\p{L}\p{N}]?+\p{L}+", "!abc", "!abc")]
    [InlineData(@"a++a|b", "aab", "b")]
    [InlineData(@"(?<=a)b+", "bab", "b")]
    [InlineData(@"[a-z&&[^aeiou]]+", "aeibcd", "bcd")]
    [InlineData(@"(?:ab|a)bc", "abc", "abc")]
    [InlineData(@"(?:a|ab)(?:c|bcd)d?", "abcd", "abcd")]
    [InlineData(@"a.*?b", "a1b2b", "a1b")]
    [InlineData(@"\x{1F600}|\u00e9", "é😀", "é")]
    [InlineData(@"[\p{Han}]+", "a龥㐀x", "龥㐀")]
    [InlineData(@"\bcat\b", "concat cat", "cat")]
    public void The_first_match_is_Onigurumas(string pattern, string text, string match)
    {
        Assert.True(Pattern.Parse(pattern).Find(text, 0, out int start, out int end));
        Assert.Equal(match, text[start..end]);
    }

    [Theory]
    [InlineData(@"(a+)+b")]
    [InlineData(@"(?:a|aa)+b")]
    [InlineData(@"(?:a?){50}b")]
    public void A_pattern_with_exponentially_many_ways_ends(string pattern) =>
        Assert.False(Pattern.Parse(pattern).Find(new string('a', 200), 0, out _, out _));

    [Theory]
    [InlineData(@"(a", "never closed, at character 1")]
    [InlineData(@"a)", "')' without '('")]
    [InlineData(@"[a", "never closed")]
    [InlineData(@"*a", "a repeat of nothing")]
    [InlineData(@"(a)\1", @"'\1', which is not supported")]
    [InlineData(@"\p{Klingon}", "the property 'Klingon'")]
    [InlineData(@"[[:alpha:]]", "the class '[:alpha:]'")]
    [InlineData(@"(?:a*)*", "endless repeat")]
    [InlineData(@"(?<=a+)b", "varying width")]
    [InlineData(@"a{5,2}", "at least 5 and at most 2")]
    [InlineData(@"((a{1000}){1000}){1000}", "unroll")]
    [InlineData(@"(?:(?=(?:ab|c){1000})x){1000}", "unroll")]
    [InlineData(@"\x{110000}", "no code point")]
    public void What_is_not_supported_is_said(string pattern, string said) =>
        Assert.Contains(said, Assert.Throws<FormatException>(() => Pattern.Parse(pattern)).Message);
}
