using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Persistence;
using Akka.Persistence.Sql;
using Xunit;

namespace GrpoActors.Cluster.Tests.Nodes;

/// <summary>The files in <c>hocon/</c>, that come with the program.</summary>
public sealed partial class ConfigurationFileTests
{
    private static readonly string[] OfUsers = ["single-node.conf", "cluster.conf"];

    [Theory]
    [InlineData("reference.conf")]
    [InlineData("single-node.conf")]
    [InlineData("cluster.conf")]
    public void A_file_parses_and_sets_something_of_ours(string file) => Assert.NotEmpty(HoconFiles.Keys(file, "grpo"));

    [Theory]
    [InlineData("single-node.conf")]
    [InlineData("cluster.conf")]
    public void A_users_file_has_no_key_that_the_reference_lacks(string file) =>
        Assert.Empty(HoconFiles.Keys(file, "grpo").Concat(HoconFiles.Keys(file, "akka")).Except([.. HoconFiles.Keys("reference.conf", "grpo"), .. HoconFiles.Keys("reference.conf", "akka"), "akka.cluster.log-info"]));

    [Fact]
    public void Every_setting_of_ours_is_explained_above_it()
    {
        string[] lines = [.. HoconFiles.Text("reference.conf").Split('\n').Select(line => line.Trim())];
        string[] bare =
        [
            .. Enumerable.Range(1, lines.Length - 1)
                .TakeWhile(i => !lines[i].StartsWith("akka", StringComparison.Ordinal))
                .Where(i => lines[i].Contains(" = ", StringComparison.Ordinal) && !lines[i].StartsWith('#') && !lines[i - 1].StartsWith('#') && !lines[i - 1].Contains(" = ", StringComparison.Ordinal)
                    && !lines[i - 1].EndsWith('{'))
                .Select(i => lines[i]),
        ];
        Assert.Empty(bare);
    }

    [Theory]
    [InlineData("single-node.conf")]
    [InlineData("cluster.conf")]
    public void Where_a_users_file_says_default_it_gives_the_references_value(string file)
    {
        Config users = HoconFiles.Parse(file), reference = HoconFiles.Parse("reference.conf");
        string[] keys = [.. SaidToBeDefault(file)];
        Assert.NotEmpty(keys);
        Assert.All(keys, key => Assert.Equal(reference.GetValue(key).ToString(), users.GetValue(key).ToString()));
    }

    /// <summary>The keys of the lines whose comment says "default" of the value that stands there, not of another one.</summary>
    private static IEnumerable<string> SaidToBeDefault(string file)
    {
        var within = new Stack<string>();
        foreach (string line in HoconFiles.Text(file).Split('\n').Select(line => line.Trim()).Where(line => !line.StartsWith('#')))
        {
            string[] parts = line.Split('#', 2);
            if (parts[0].TrimEnd().EndsWith('{'))
            {
                within.Push(parts[0].Trim(' ', '{'));
            }
            else if (parts[0].Trim() == "}")
            {
                within.Pop();
            }
            else if (parts.Length == 2 && DefaultItself().IsMatch(parts[1]))
            {
                yield return string.Join('.', within.Reverse().Append(parts[0].Split('=')[0].Trim()));
            }
        }
    }

    [GeneratedRegex("""default(?! (on|off|")|: the environment)""")]
    private static partial Regex DefaultItself();

    [Theory]
    [InlineData("akka.cluster.downing-provider-class", "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster")]
    [InlineData("akka.cluster.split-brain-resolver.active-strategy", "keep-oldest")]
    [InlineData("akka.cluster.split-brain-resolver.keep-oldest.role", "coordinator")]
    [InlineData("akka.cluster.singleton.role", "coordinator")]
    [InlineData("grpo.node.host", "127.0.0.1")]
    public void The_reference_keeps_a_split_cluster_and_an_open_port_from_happening_by_default(string key, string value) =>
        Assert.Equal(value, HoconFiles.Parse("reference.conf").GetString(key));

    /// <summary>Akka reads a key that it does not know as silently as one that it knows.</summary>
    [Fact]
    public async Task Every_key_of_Akkas_that_is_set_is_one_of_Akkas_own()
    {
        using ActorSystem system = ActorSystem.Create("keys", """akka { loglevel = OFF, stdout-loglevel = OFF, actor.provider = cluster, remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 } }""");
        Config akkas = system.Settings.Config.WithFallback(ClusterSingleton.DefaultConfig()).WithFallback(SqlPersistence.DefaultConfiguration).WithFallback(Persistence.DefaultConfig());
        string[] unknown = [.. HoconFiles.Keys("reference.conf", "akka").Where(key => !key.StartsWith("akka.actor.serializ", StringComparison.Ordinal) && !Spellings(key).Any(akkas.HasPath))];
        await system.Terminate();
        Assert.Empty(unknown);
    }

    /// <summary>Every phase may have a timeout, and every journal what Akka gives to those that say nothing.</summary>
    private static string[] Spellings(string key) =>
    [
        key,
        key.Replace("akka.persistence.journal.sql.", "akka.persistence.journal-plugin-fallback.", StringComparison.Ordinal),
        key.StartsWith("akka.coordinated-shutdown.phases.", StringComparison.Ordinal) && key.EndsWith(".timeout", StringComparison.Ordinal) ? key[..^".timeout".Length] : key,
    ];
}
