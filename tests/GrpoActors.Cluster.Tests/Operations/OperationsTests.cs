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
    private NodeServer server = null!;

    public async Task InitializeAsync()
    {
        var reports = new NodeReports(
            () => ready,
            () => [("grpo.generator.tokens-per-second", "Tokens drawn.", 12.5), ("grpo.run.steps.total", "Committed\nsteps.", 7), ("grpo.run.loss", "No number yet.", double.NaN)],
            () => new { Role = "generator", Step = 7 },
            () => { });
        server = await NodeServer.StartAsync(new NodeServerOptions { Reports = reports }, new ContentStore(new ContentStoreOptions(), TimeProvider.System), NodeSecurity.None, NullLoggerFactory.Instance);
    }

    public async Task DisposeAsync()
    {
        http.Dispose();
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
            # HELP grpo_generator_tokens_per_second Tokens drawn.
            # TYPE grpo_generator_tokens_per_second gauge
            grpo_generator_tokens_per_second 12.5
            # HELP grpo_run_steps_total Committed\nsteps.
            # TYPE grpo_run_steps_total counter
            grpo_run_steps_total 7
            # HELP grpo_run_loss No number yet.
            # TYPE grpo_run_loss gauge
            grpo_run_loss NaN

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
