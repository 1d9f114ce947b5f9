using System.CommandLine;
using GrpoActors.Engine;
using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Measurement;
using GrpoActors.Engine.Models;
using GrpoActors.Formats.HuggingFace;
using GrpoActors.Formats.Safetensors;

namespace GrpoActors.Benchmarks;

/// <summary><c>loading</c>: weights from files to float32 with their hash, against reading the files.</summary>
internal static class LoadingCommand
{
    private static readonly Option<string> Folder = new("--model") { Description = "A Hugging Face folder.", HelpName = "FOLDER", Required = true };

    public static Command Build() => new Benchmark("loading", "Loads a model's weights: checked, as float32, with their SHA-256. Limit: reading the bytes of its files (from the page cache after the first run).", Run, Folder);

    private static void Run(Settings settings, Report report)
    {
        string folder = settings.Parsed.GetRequiredValue(Folder);
        ModelSpec spec = ModelSpecs.FromConfig(HuggingFaceConfig.Read(folder));
        string[] paths = Directory.GetFiles(folder, "*.safetensors");
        byte[] buffer = new byte[1 << 20];
        double megabytes = paths.Sum(path => new FileInfo(path).Length) / 1e6;
        Timing reading = Timing.Of(settings.Runs, () =>
        {
            foreach (string path in paths)
            {
                using FileStream file = File.OpenRead(path);
                while (file.Read(buffer) > 0)
                {
                }
            }
        });
        Timing loading = Timing.Of(settings.Runs, () =>
        {
            using var files = SafetensorsFolder.Open(folder);
            WeightFiles.Read(files, spec);
        });
        report.Add(new Row("load the weights", megabytes / loading.Seconds, "MB/s", megabytes / reading.Seconds));
    }
}
