using GrpoActors.Core.Preferences;
using GrpoActors.Core.Tests.Objectives;
using Xunit;

namespace GrpoActors.Core.Tests.Preferences;

public class UnifiedParadigmTests
{
    public static TheoryData<string> Methods() => [.. UnifiedParadigm.Rows.Select(x => x.Method)];

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_coefficient_that_training_uses_is_the_one_the_paper_writes(string method)
    {
        var row = UnifiedParadigm.Rows.Single(x => x.Method == method);
        for (int seed = 0; seed < 1000; seed++)
        {
            var random = new SplitMix((ulong)seed);
            double p = -3 * random.Next();
            double advantage = method.EndsWith("RFT", StringComparison.Ordinal) ? seed % 2 : 4 * random.Next() - 2;
            var point = new ParadigmPoint(p, p + random.Next() - 0.5, p + random.Next() - 0.5, advantage, -3 * random.Next(), -3 * random.Next());
            Assert.Equal(row.Written(point), row.FromCode(point), 1e-14);
        }
    }

    [Fact]
    public void The_table_of_the_docs_is_the_one_that_the_code_generates()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string docs = Path.Combine(folder.FullName, "docs", "objectives.md");
            if (!File.Exists(docs))
                continue;
            Assert.Contains(UnifiedParadigm.Markdown(), File.ReadAllText(docs));
            return;
        }
        Assert.Fail("docs/objectives.md lies in no folder above the tests.");
    }
}
