using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using GrpoActors.Actors;
using GrpoActors.Actors.Telemetry;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using GrpoActors.Cluster.Tests.Deploy;
using GrpoActors.Journal.Tests;
using GrpoActors.Runtime.Reports;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Operations;

/// <summary><c>docs/observability.md</c> and what there is.</summary>
public sealed partial class ObservabilityTests
{
    private static readonly string Document = DeployFiles.Text("docs/observability.md");

    [Fact]
    public void The_document_lists_every_instrument_with_kind_unit_and_meaning_and_no_other()
    {
        string[] told = [.. Document.Split('\n').Where(line => line.StartsWith("| `grpo.", StringComparison.Ordinal) && line.Split('|').Length == 6)];
        string[] given = [.. Instruments().OrderBy(x => x.Name, StringComparer.Ordinal).Select(x => $"| `{x.Name}` | {Kind(x)} | {x.Unit} | {x.Description} |")];
        Assert.Equal(given, told);
    }

    [Fact]
    public async Task A_run_makes_the_activities_of_the_document_and_counts_what_happens()
    {
        using var folder = new TemporaryFolder();
        TinyRunFiles.Write(folder.Path);
        var activities = new ConcurrentQueue<Activity>();
        using var traces = new ActivityListener
        {
            ShouldListenTo = source => source.Name == RunInstruments.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activities.Enqueue,
        };
        ActivitySource.AddActivityListener(traces);
        var counted = new ConcurrentDictionary<string, double>();
        using var metrics = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == RunInstruments.Name)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        metrics.SetMeasurementEventCallback<long>((instrument, value, _, _) => counted.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        metrics.SetMeasurementEventCallback<double>((instrument, value, _, _) => counted.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        metrics.Start();
        RunResult result = await Train(folder.File(TinyRunFiles.RunFile), folder.File("run"));
        string[] told = [.. Document.Split('\n').Where(line => line.StartsWith("| `grpo.", StringComparison.Ordinal) && line.Split('|').Length == 5).Select(line => Code().Match(line).Groups[1].Value)];
        Assert.Equal(told.Order(StringComparer.Ordinal), activities.Select(activity => activity.OperationName).Distinct().Order(StringComparer.Ordinal));
        Assert.All(activities, activity => Assert.All(activity.Tags, tag => Assert.Contains($"`{tag.Key}`", Line(activity.OperationName), StringComparison.Ordinal)));
        Assert.All(["grpo.steps.committed", "grpo.groups.completed", "grpo.append.events", "grpo.lease.changes"], name => Assert.True(counted[name] > 0, name));
        Assert.All(["grpo.step.duration", "grpo.append.duration", "grpo.training.duration", "grpo.sampling.duration"], name => Assert.True(counted[name] > 0, name));
        Assert.True(counted["grpo.sampling.tokens"] >= result.TokensSampled);
    }

    /// <summary>All that a process of a run has.</summary>
    internal static IReadOnlyList<Instrument> Instruments()
    {
        using var run = new RunInstruments(new RunStatus());
        var found = new List<Instrument>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (ReferenceEquals(instrument.Meter, run.Meter))
            {
                found.Add(instrument);
            }
        };
        NodeServer server = NodeServer.StartAsync(
            new NodeServerOptions { Reports = NodeReports.None with { Meter = run.Meter } }, new ContentStore(new ContentStoreOptions(), TimeProvider.System), NodeSecurity.None, NullLoggerFactory.Instance)
            .GetAwaiter().GetResult();
        listener.Start();
        server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return found;
    }

    private static async Task<RunResult> Train(string runFile, string into)
    {
        using GrpoRun run = GrpoRun.Open(runFile, new GrpoRunSettings { Overrides = [("run_dir", into)] });
        await foreach (StepReport _ in run.TrainAsync())
        {
            // counted elsewhere
        }

        return run.Result!;
    }

    private static string Line(string name) => Document.Split('\n').Single(line => line.StartsWith($"| `{name}` |", StringComparison.Ordinal) && line.Split('|').Length == 5);

    private static string Kind(Instrument instrument) => InstrumentKind().Match(instrument.GetType().Name).Groups[1].Value.ToLowerInvariant();

    [GeneratedRegex("(Counter|Gauge|Histogram)")]
    private static partial Regex InstrumentKind();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
