using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>The real program in a process of its own.</summary>
internal static class Grpo
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    public static string Root { get; } = FindRoot();

    public static string Recipe { get; } = Path.Combine(Root, "recipes", "arithmetic.json");

    /// <summary>Runs to the end; throws if it does not exit with 0.</summary>
    public static JsonElement Train(string runFolder, string[] options, params (string Name, string Value)[] environment)
    {
        Finished finished = Run(["train", Recipe, "--run-dir", runFolder, "--json", .. options], environment);
        Assert.True(finished.ExitCode == 0, $"grpo train ended with {finished.ExitCode}:\n{finished.Error}");
        return LastObject(finished.Output);
    }

    public static Finished Run(string[] arguments, params (string Name, string Value)[] environment) => Run(arguments, Patience, environment);

    public static Finished Run(string[] arguments, TimeSpan patience, params (string Name, string Value)[] environment)
    {
        using Process process = Start(arguments, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(patience))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"grpo {string.Join(' ', arguments)} has not ended after {patience}.");
        }

        process.WaitForExit();
        return new Finished(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    public static Process Start(string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Root,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "grpo.dll"));
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["NO_COLOR"] = "1";
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        Process process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>The one JSON object that ends the output.</summary>
    public static JsonElement LastObject(string output)
    {
        string last = output.Trim().Split('\n')[^1];
        return JsonDocument.Parse(last.StartsWith('{') ? last : output[output.IndexOf('{', StringComparison.Ordinal)..]).RootElement.Clone();
    }

    public static string Hashes(JsonElement result) =>
        $"{result.GetProperty("weightsSha256")} {result.GetProperty("optimizerSha256")} {result.GetProperty("ledgerSha256")}";

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "GrpoActors.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The repository's root, with GrpoActors.sln, is not above the tests.");
    }
}

internal sealed record Finished(int ExitCode, string Output, string Error);

/// <summary>A folder that goes when the test is over.</summary>
internal sealed class Scratch : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("grpo-").FullName;

    public string this[string name] => Path.Combine(folder, name);

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
