using Akka.Actor;
using Akka.Configuration;
using Akka.Hosting;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Security;
using GrpoActors.Journal.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace GrpoActors.Cluster.Tests.Nodes;

/// <summary>What a node's actor system is configured with.</summary>
public sealed class NodeHoconTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Fact]
    public async Task Every_key_of_Akkas_in_the_reference_reaches_the_actor_system_as_it_stands_there()
    {
        Config reference = HoconFiles.Parse("reference.conf");
        string[] keys = [.. HoconFiles.Keys("reference.conf", "akka")];
        Config effective = await Effective(null);
        Assert.NotEmpty(keys);
        Assert.All(keys.Except(["akka.remote.dot-netty.tcp.port"]), key => Assert.Equal(reference.GetValue(key).ToString(), effective.GetValue(key).ToString()));
    }

    [Fact]
    public async Task What_a_users_file_says_wins_over_the_reference_and_over_what_the_program_sets()
    {
        const string users = """
            akka.cluster {
              split-brain-resolver { active-strategy = keep-majority, stable-after = 3 s }
              failure-detector.threshold = 7.0
              singleton.singleton-name = "other"
              singleton-proxy.singleton-name = "other"
              log-info = off
            }
            """;
        string file = folder.File("users.conf");
        await File.WriteAllTextAsync(file, users);
        Config effective = await Effective(file), said = ConfigurationFactory.ParseString(users);
        Assert.All(HoconFiles.Leaves("akka", said.GetValue("akka")), key => Assert.Equal(said.GetValue(key).ToString(), effective.GetValue(key).ToString()));
    }

    [Fact]
    public async Task The_command_line_wins_over_a_users_file_and_security_over_both()
    {
        string file = folder.File("users.conf");
        await File.WriteAllTextAsync(file, """akka { cluster.roles = ["other"], remote.dot-netty.tcp { hostname = "10.0.0.1", enable-ssl = on } }""");
        Config effective = await Effective(file);
        Assert.Equal(["scorer"], effective.GetStringList("akka.cluster.roles"));
        Assert.Equal(("127.0.0.1", false), (effective.GetString("akka.remote.dot-netty.tcp.hostname"), effective.GetBoolean("akka.remote.dot-netty.tcp.enable-ssl")));
    }

    public void Dispose() => folder.Dispose();

    private static async Task<Config> Effective(string? file)
    {
        NodeOptions options = NodeOptions.Of("run.json", new GrpoNodeSettings { Roles = [NodeRoles.Scorer], Port = 0, ConfigFile = file });
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddAkka("effective", akka => akka.WithNode(options, SecurityHocon.For(NodeSecurity.None, options.Host)).ConfigureLoggers(loggers => loggers.ClearLoggers()));
        using IHost host = builder.Build();
        await host.StartAsync();
        ActorSystem system = host.Services.GetRequiredService<ActorSystem>();
        await system.Terminate(); // no coordinated shutdown: there is no cluster to leave
        return system.Settings.Config;
    }
}
