using System.CommandLine;
using GrpoActors.Engine.Measurement;
using GrpoActors.Numerics;

namespace GrpoActors.Benchmarks;

/// <param name="Threads">Threads of every team.</param>
/// <param name="Runs">Each figure is the median of so many.</param>
/// <param name="Parsed">Where a command finds its own options.</param>
internal sealed record Settings(int Threads, int Runs, ParseResult Parsed);

/// <summary>A command with the options that all benchmarks share.</summary>
internal sealed class Benchmark : Command
{
    /// <summary>Below this a core with 512-bit vectors was disturbed: a weak peak would flatter every share.</summary>
    private const double CredibleFlopsPerCore = 180e9, UsualFlopsPerCore = 190e9;

    public Benchmark(string name, string description, Action<Settings, Report> run, params Option[] options)
        : base(name, description)
    {
        var threads = new Option<int>("--threads") { Description = "Threads of a team.", HelpName = "N", DefaultValueFactory = _ => Environment.ProcessorCount };
        var runs = new Option<int>("--runs") { Description = "Runs of which the median is taken.", HelpName = "N", DefaultValueFactory = _ => 5 };
        var json = new Option<bool>("--json") { Description = "JSON instead of a table." };
        Add(threads);
        Add(runs);
        Add(json);
        foreach (Option option in options)
        {
            Add(option);
        }

        SetAction(parsed =>
        {
            var report = new Report(name);
            run(new Settings(Math.Max(1, parsed.GetValue(threads)), Math.Max(1, parsed.GetValue(runs)), parsed), report);
            if (parsed.GetValue(json))
            {
                report.WriteJson(parsed.InvocationConfiguration.Output);
            }
            else
            {
                report.WriteTable(parsed.InvocationConfiguration.Output);
            }
        });
    }

    /// <summary>Measures the machine and notes it at the top of the report.</summary>
    public static Limits MeasureLimits(int threads, Report report)
    {
        Roofline measured = Roofline.Measure(threads);
        double usual = threads * UsualFlopsPerCore;
        double flops = KernelTraits.VectorBits == 512 && measured.FlopsPerSecond < threads * CredibleFlopsPerCore ? usual : measured.FlopsPerSecond;
        report.Add(new Row($"fp32 multiply-add, {threads} thread{(threads == 1 ? "" : "s")}", measured.FlopsPerSecond / 1e9, "GFLOP/s", flops / 1e9));
        report.Add(new Row($"memory read, {threads} thread{(threads == 1 ? "" : "s")}", measured.BytesPerSecond / 1e9, "GB/s", measured.BytesPerSecond / 1e9));
        return new Limits(flops, measured.BytesPerSecond);
    }
}
