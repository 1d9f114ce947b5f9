using System.Globalization;
using Akka.Actor;
using Akka.Cluster.Hosting;
using Akka.Configuration;
using Akka.Hosting;
using Akka.Persistence.Sql;
using GrpoActors.Actors;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;

namespace GrpoActors.Cluster.Nodes;

/// <summary>The configuration of a node: what the command line says, over the user's file, over <c>reference.conf</c>, over Akka's own.</summary>
internal static class NodeHocon
{
    public static Config Reference { get; } = ConfigurationFactory.ParseString(Resource("reference.conf")).WithFallback(ActorsHocon.Reference);

    /// <param name="file">Null: nothing is laid over the reference.</param>
    public static Config Read(string? file, List<ConfigError> errors)
    {
        if (file is null)
        {
            return Reference;
        }

        try
        {
            Config written = ConfigurationFactory.ParseString(File.ReadAllText(file));
            foreach (string unknown in Unknown(written))
            {
                errors.Add(new ConfigError("config", $"{file} sets {unknown}, which is no setting.", $"Did you mean {NearestName.Of(unknown, Keys(Reference, "grpo")) ?? "one of reference.conf"}?"));
            }

            return written.WithFallback(Reference);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or ConfigurationException or AkkaException)
        {
            errors.Add(new ConfigError("config", $"{file} cannot be read: {(DiskFailure.Is(e) ? DiskFailure.Reason(e) : e.Message.TrimEnd('.'))}.", "Name a HOCON file such as hocon/cluster.conf."));
            return Reference;
        }
    }

    /// <summary>Configures a node's actor system.</summary>
    /// <param name="security">Lies over everything else.</param>
    public static AkkaConfigurationBuilder WithNode(this AkkaConfigurationBuilder akka, NodeOptions options, Config security) => akka
        .AddHocon(security.WithFallback(Address(options)).WithFallback(options.Config).WithFallback(SqlPersistence.DefaultConfiguration), HoconAddMode.Replace)
        .WithClustering(new ClusterOptions { Roles = [.. options.Roles] });

    private static Config Address(NodeOptions options) => ConfigurationFactory.ParseString(string.Create(CultureInfo.InvariantCulture, $$"""
        akka.remote.dot-netty.tcp {
          hostname = "{{options.Host}}"
          public-hostname = "{{options.AdvertisedHost}}"
          port = {{options.Port}}
        }
        """));

    private static IEnumerable<string> Unknown(Config written) => Keys(written, "grpo").Except(Keys(Reference, "grpo"));

    /// <summary>Paths of all values below a key.</summary>
    private static IEnumerable<string> Keys(Config config, string under) => config.HasPath(under) ? Paths(config.GetConfig(under), under) : [];

    private static IEnumerable<string> Paths(Config config, string prefix)
    {
        foreach ((string key, var value) in config.Root.GetObject().Items)
        {
            string path = $"{prefix}.{key}";
            if (value.IsObject())
            {
                foreach (string below in Paths(config.GetConfig(key), path))
                {
                    yield return below;
                }
            }
            else
            {
                yield return path;
            }
        }
    }

    private static string Resource(string name)
    {
        using Stream stream = typeof(NodeHocon).Assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"{name} is not part of this program.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
