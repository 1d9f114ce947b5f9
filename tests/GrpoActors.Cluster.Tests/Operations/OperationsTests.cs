using System.Diagnostics.Metrics;
using System.Net;
using System.Text.Json;
using GrpoActors.Cluster.Bulk;
using GrpoActors.Cluster.Operations;
using GrpoActors.Cluster.Security;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace GrpoActors.Cluster.Tests.Operations;

public sealed class OperationsTests : IAsyncLifetime
{
    private readonly HttpClient http = new();
    private ReadyReport ready = new(false, "waits for the weights of version 3");
    private readonly Meter meter = new("test");
    private NodeServer server = null!;

    public async Task InitializeAsync()
    {
        var reports = new NodeReports(() => ready, meter, () => new { Role = "generator", Step = 7 }, () => { });
        meter.CreateObservableGauge("grpo.a.pace", () => 12.5, "1", "Tokens drawn.");
        meter.CreateObservableGauge("grpo.a.quiet", () => Array.Empty<Measurement<long>>(), "1", "Nothing to say.");
        Counter<long> steps = meter.CreateCounter<long>("grpo.a.steps", "{step}", "Committed\nsteps.");
        Histogram<double> waits = meter.CreateHistogram<double>("grpo.a.wait", "s", "Waits.");
        server = await NodeServer.StartAsync(new NodeServerOptions { Reports = reports }, new ContentStore(new ContentStoreOptions(), TimeProvider.System), NodeSecurity.None, NullLoggerFactory.Instance);
        steps.Add(3);
        steps.Add(4, new KeyValuePair<string, object?>("of", "another tag"));
        waits.Record(0.5);
        waits.Record(1);
    }

    public async Task DisposeAsync()
    {
        http.Dispose();
        meter.Dispose();
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_node_is_live_before_it_is_ready_and_says_why_it_is_not()
    {
        Assert.Equal((HttpStatusCode.OK, "live\n"), await Get("healthz/live"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "waits for the weights of version 3\n"), await Get("healthz/ready"));
        ready = new ReadyReport(true, "samples");
        Assert.Equal((HttpStatusCode.OK, "samples\n"), await Get("healthz/ready"));
    }

    [Fact]
    public async Task Metrics_are_text_that_Prometheus_reads()
    {
        (HttpStatusCode status, string text) = await Get("metrics");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.StartsWith(
            """
            # HELP grpo_a_pace Tokens drawn.
            # TYPE grpo_a_pace gauge
            grpo_a_pace 12.5
            # HELP grpo_a_steps_total Committed\nsteps.
            # TYPE grpo_a_steps_total counter
            grpo_a_steps_total 7
            # HELP grpo_a_wait_seconds Waits.
            # TYPE grpo_a_wait_seconds summary
            grpo_a_wait_seconds_sum 1.5
            grpo_a_wait_seconds_count 2

            """,
            text,
            StringComparison.Ordinal);
        string[] names = [.. text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' ')[0])];
        Assert.Equal(names.Distinct(StringComparer.Ordinal), names);
        Assert.Contains("grpo_bulk_served_bytes_total", names);
        Assert.Contains("grpo_process_resident_bytes", names);
    }

    [Fact]
    public async Task Status_is_JSON()
    {
        (HttpStatusCode status, string text) = await Get("status");
        using JsonDocument json = JsonDocument.Parse(text);
        Assert.Equal((HttpStatusCode.OK, "generator", 7), (status, json.RootElement.GetProperty("role").GetString(), json.RootElement.GetProperty("step").GetInt32()));
    }

    private async Task<(HttpStatusCode Status, string Text)> Get(string path)
    {
        using HttpResponseMessage answer = await http.GetAsync(new Uri(server.Address, path));
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
