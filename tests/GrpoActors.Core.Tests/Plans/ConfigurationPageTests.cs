using System.Runtime.CompilerServices;
using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Core.Tests.Plans;

public sealed class ConfigurationPageTests
{
    /// <summary>With GRPO_WRITE_GOLDENS=1 the page is written instead.</summary>
    [Fact]
    public void The_page_in_docs_is_what_the_tables_say()
    {
        string path = Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../docs/configuration.md");
        if (Environment.GetEnvironmentVariable("GRPO_WRITE_GOLDENS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, ConfigurationPage.Markdown());
        }

        Assert.Equal(File.ReadAllText(path), ConfigurationPage.Markdown());
    }

    [Fact]
    public void Every_key_stands_in_one_place_of_its_section() =>
        Assert.All(RunSchema.Sections, home => Assert.Equal(home.Section.Settings.Length, home.Section.Settings.Select(setting => setting.Key).Distinct().Count()));

    [Fact]
    public void Every_default_passes_its_own_check()
    {
        // What a run file may leave out it may also write.
        PlanResult filled = RunFiles.Read();
        foreach (SettingValue value in filled.Values.Where(value => value.Source.Kind is SourceKind.Default or SourceKind.Derived))
        {
            Assert.Empty(RunFiles.Read((value.Key, value.Value)).Errors);
        }
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
