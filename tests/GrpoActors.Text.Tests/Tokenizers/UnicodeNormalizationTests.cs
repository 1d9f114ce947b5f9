using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace GrpoActors.Text.Tests;

public class UnicodeNormalizationTests
{
    [Theory]
    [InlineData("e\u0301", "é", "e\u0301", "é")]
    [InlineData("\u212B", "Å", "A\u030A", "Å")]
    [InlineData("\u1100\u1161\u11A8", "각", "\u1100\u1161\u11A8", "각")]
    [InlineData("각", "각", "\u1100\u1161\u11A8", "각")]
    [InlineData("a\u0307\u0323", "ạ\u0307", "a\u0323\u0307", "ạ\u0307")]
    [InlineData("ﬁ½", "ﬁ½", "ﬁ½", "fi1\u20442")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C", "\u0915\u093C")] // excluded from composition
    [InlineData("\U00011099\U000110BA", "\U0001109A", "\U00011099\U000110BA", "\U0001109A")]
    [InlineData("a\u0301b\u0301", "\u00E1b\u0301", "a\u0301b\u0301", "\u00E1b\u0301")]
    [InlineData("\u0344", "\u0308\u0301", "\u0308\u0301", "\u0308\u0301")]
    public void Forms_follow_the_standard(string text, string formC, string formD, string formKC)
    {
        Assert.Equal(formC, UnicodeNormalization.Normalise(text, NormalizationForm.FormC));
        Assert.Equal(formD, UnicodeNormalization.Normalise(text, NormalizationForm.FormD));
        Assert.Equal(formKC, UnicodeNormalization.Normalise(text, NormalizationForm.FormKC));
    }

    [Fact]
    public void Forms_agree_with_each_other()
    {
        var text = Gen.OneOf(Gen.Choose(0x41, 0x5A), Gen.Choose(0xC0, 0x17F), Gen.Choose(0x300, 0x345), Gen.Choose(0x1100, 0x11FF), Gen.Choose(0xAC00, 0xAD00), Gen.Choose(0x900, 0xD7F))
            .Select(c => (char)c).ArrayOf().Select(chars => new string(chars)).ToArbitrary();
        Check.One(Cases.Of(500), Prop.ForAll(text, x =>
        {
            string c = UnicodeNormalization.Normalise(x, NormalizationForm.FormC), d = UnicodeNormalization.Normalise(x, NormalizationForm.FormD);
            return UnicodeNormalization.Normalise(c, NormalizationForm.FormD) == d && UnicodeNormalization.Normalise(d, NormalizationForm.FormC) == c
                && UnicodeNormalization.Normalise(c, NormalizationForm.FormC) == c && UnicodeNormalization.Normalise(d, NormalizationForm.FormD) == d;
        }));
    }
}
