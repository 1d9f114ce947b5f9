using System.Globalization;
using GrpoActors.Formats.Files;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.RunFolders;
using Xunit;

namespace GrpoActors.Runtime.Tests.RunFolders;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder temporary = new();

    private string Run => temporary.File("arithmetic");

    public void Dispose() => temporary.Dispose();

    [Fact]
    public void A_folder_held_by_a_process_is_refused_to_another_which_is_told_who_holds_it()
    {
        using RunFolder held = RunFolder.Open(Run);
        var e = Assert.Throws<RunFolderInUseException>(() => RunFolder.Open(Run));
        Assert.Contains(Run, e.Message, StringComparison.Ordinal);
        Assert.Contains(Environment.ProcessId.ToString(CultureInfo.InvariantCulture), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_given_back_can_be_taken_again()
    {
        RunFolder.Open(Run).Dispose();
        RunFolder.Open(Run).Dispose();
    }

    [Fact]
    public void Fresh_sets_old_folders_aside_under_the_next_free_number()
    {
        for (int i = 0; i < 3; i++)
        {
            using RunFolder folder = RunFolder.Open(Run, fresh: true);
            Assert.False(File.Exists(folder.Plan));
            File.WriteAllText(folder.Plan, $"{i}");
        }

        Assert.Equal("0", File.ReadAllText(Path.Combine(Run + ".1", "plan.json")));
        Assert.Equal("1", File.ReadAllText(Path.Combine(Run + ".2", "plan.json")));
        Assert.Equal("2", File.ReadAllText(Path.Combine(Run, "plan.json")));
    }

    [Fact]
    public void Fresh_does_not_take_a_folder_from_the_process_that_holds_it()
    {
        using RunFolder held = RunFolder.Open(Run);
        Assert.Throws<RunFolderInUseException>(() => RunFolder.Open(Run, fresh: true));
        Assert.True(Directory.Exists(Run));
        Assert.False(Directory.Exists(Run + ".1"));
    }

    [Fact]
    public void A_file_where_the_folder_should_be_is_a_sentence()
    {
        File.WriteAllText(Run, "");
        Assert.StartsWith("Could not open the run folder", Assert.ThrowsAny<StorageException>(() => RunFolder.Open(Run)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trailing_separator_names_the_same_folder()
    {
        using RunFolder folder = RunFolder.Open(Run + Path.DirectorySeparatorChar);
        Assert.Equal(Run, folder.Path);
    }
}
