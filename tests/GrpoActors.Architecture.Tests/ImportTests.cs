using System.Reflection;
using System.Xml.Linq;
using Xunit;

namespace GrpoActors.Architecture.Tests;

/// <summary>What each project imports, no more and no less: held to the project files and to what the compiler really linked.</summary>
public sealed class ImportTests
{
    private static readonly Dictionary<string, string[]> Imports = new()
    {
        ["Exact"] = [],
        ["Text"] = [],
        ["Formats"] = [],
        ["Core"] = ["Exact"],
        ["Numerics"] = ["Exact"],
        ["Rewards"] = ["Core"],
        ["Engine"] = ["Core", "Formats", "Numerics"],
        ["Engine.Torch"] = ["Core", "Engine"],
        ["Journal"] = ["Core", "Formats"],
        ["Audit"] = ["Core", "Journal"],
        ["Hub"] = ["Core", "Engine", "Formats", "Text"],
        ["Runtime"] = ["Audit", "Core", "Engine", "Formats", "Hub", "Journal", "Rewards", "Text"],
        ["Actors"] = ["Core", "Engine", "Formats", "Journal", "Rewards", "Runtime"],
        ["Cluster"] = ["Actors", "Core", "Engine", "Formats", "Journal", "Rewards", "Runtime"],
        ["Hosting"] = ["Actors", "Cluster", "Core", "Rewards", "Runtime"],
        ["Cli"] = ["Actors", "Audit", "Cluster", "Core", "Engine", "Engine.Torch", "Formats", "Hub", "Journal", "Numerics", "Rewards", "Runtime", "Text"],
    };

    public static TheoryData<string> Projects => [.. Imports.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_names_exactly_its_imports(string project)
    {
        string[] named =
        [
            .. XDocument.Load(ProjectFile(project)).Descendants("ProjectReference")
                .Select(reference => Short(Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))),
        ];
        AssertAllowed(project, named);
        AssertNeeded(project, named);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void An_assembly_links_exactly_its_imports(string project)
    {
        Assembly assembly = Assembly.Load(project == "Cli" ? "grpo" : $"GrpoActors.{project}");
        string[] linked =
        [
            .. assembly.GetReferencedAssemblies().Select(reference => reference.Name!)
                .Where(name => name.StartsWith("GrpoActors.", StringComparison.Ordinal)).Select(Short),
        ];
        AssertAllowed(project, linked);
        AssertNeeded(project, linked);
    }

    [Fact]
    public void Every_project_of_the_source_folder_stands_in_the_table()
    {
        string[] folders = [.. Directory.GetDirectories(Path.Combine(Repository.Root, "src")).Select(folder => Short(Path.GetFileName(folder)))];
        Assert.Equal(Imports.Keys.Order(StringComparer.Ordinal), folders.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Core")]
    [InlineData("Exact")]
    [InlineData("Text")]
    public void A_pure_project_uses_no_package_at_run_time(string project)
    {
        XElement[] references = [.. XDocument.Load(ProjectFile(project)).Descendants("PackageReference")];
        string[] packages = [.. references.Select(reference => reference.Attribute("Include")!.Value)];
        Assert.True(packages.Length == 0, $"{project} may use no package; it names {string.Join(", ", packages)}.");
    }

    private static void AssertAllowed(string project, string[] imports)
    {
        foreach (string import in imports)
        {
            Assert.True(Imports[project].Contains(import), $"{project} may not import {import}.");
        }
    }

    private static void AssertNeeded(string project, string[] imports)
    {
        foreach (string import in Imports[project])
        {
            Assert.True(imports.Contains(import), $"{project} no longer needs {import}: take it out of the table and of the project file.");
        }
    }

    private static string Short(string name) => name.Replace("GrpoActors.", "", StringComparison.Ordinal);

    private static string ProjectFile(string project) => Path.Combine(Repository.Root, "src", $"GrpoActors.{project}", $"GrpoActors.{project}.csproj");
}
