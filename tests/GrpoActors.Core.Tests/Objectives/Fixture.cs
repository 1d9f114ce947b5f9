namespace GrpoActors.Core.Tests.Objectives;

/// <summary>The golden files of ../Fixtures, found from the folder that the tests run in.</summary>
internal static class Fixture
{
    public static string Text(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string path = Path.Combine(folder.FullName, "Fixtures", name);
            if (File.Exists(path))
                return File.ReadAllText(path);
        }
        throw new FileNotFoundException($"Fixtures/{name} lies in no folder above {AppContext.BaseDirectory}.");
    }
}
