using System.Text.RegularExpressions;
using Xunit;

namespace GrpoActors.Architecture.Tests;

/// <summary>Which folders of a project use which: read from their files' namespaces and using lines.</summary>
public sealed partial class FolderTests
{
    /// <summary>Of Core, from the ground up: values, how a loss is computed, plans, the run's events and state, the stages, and what drives them.</summary>
    private static readonly string[] CoreOrder =
    [
        "", "Advantages", "Objectives", "Schedules", "Preferences", "Dumps", "Completions", "Plans", "Runs", "Prompts", "Generation", "Scoring", "Groups", "Learning", "Deciding",
    ];

    public static TheoryData<string> Projects => [.. Directory.GetDirectories(Path.Combine(Repository.Root, "src")).Select(Path.GetFileName).OfType<string>().Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void No_folders_use_each_other_in_a_circle(string project)
    {
        Dictionary<string, SortedSet<string>> uses = Uses(project);
        var open = new HashSet<string>(uses.Keys, StringComparer.Ordinal);
        while (open.FirstOrDefault(folder => !uses[folder].Any(open.Contains)) is { } free)
        {
            open.Remove(free);
        }

        Assert.True(open.Count == 0, $"{project}: {string.Join("; ", open.Select(folder => $"{folder} uses {string.Join(", ", uses[folder].Where(open.Contains))}"))}.");
    }

    [Fact]
    public void A_folder_of_Core_uses_those_before_it()
    {
        Dictionary<string, SortedSet<string>> uses = Uses("GrpoActors.Core");
        Assert.Equal(CoreOrder.Order(StringComparer.Ordinal), uses.Keys.Order(StringComparer.Ordinal));
        foreach ((string folder, SortedSet<string> used) in uses)
        {
            Assert.All(used, other => Assert.True(Array.IndexOf(CoreOrder, other) < Array.IndexOf(CoreOrder, folder), $"Core/{folder} may not use Core/{other}."));
        }
    }

    /// <summary>By folder, as in its namespace: the other folders of the project that its files name.</summary>
    private static Dictionary<string, SortedSet<string>> Uses(string project)
    {
        string root = Path.Combine(Repository.Root, "src", project);
        (string Folder, string Text)[] files =
        [
            .. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
                .Select(file => (Folder: Path.GetRelativePath(root, Path.GetDirectoryName(file)!).Replace('\\', '/').Trim('.').Replace('/', '.'), File: file))
                .Where(file => file.Folder.Split('.')[0] is not ("bin" or "obj"))
                .Select(file => (file.Folder, Comment().Replace(File.ReadAllText(file.File), ""))),
        ];
        string[] folders = [.. files.Select(file => file.Folder).Distinct()];
        var uses = folders.ToDictionary(folder => folder, _ => new SortedSet<string>(StringComparer.Ordinal), StringComparer.Ordinal);
        foreach ((string folder, string text) in files)
        {
            foreach (Match match in Regex.Matches(text, $@"\b{Regex.Escape(project)}\.(?<name>\w+(\.\w+)*)", RegexOptions.ExplicitCapture))
            {
                string? used = folders.Where(other => other.Length > 0 && (match.Groups["name"].Value + ".").StartsWith(other + ".", StringComparison.Ordinal)).MaxBy(other => other.Length);
                if (used is not null && used != folder)
                {
                    uses[folder].Add(used);
                }
            }
        }

        return uses;
    }

    [GeneratedRegex("//.*")]
    private static partial Regex Comment();
}
