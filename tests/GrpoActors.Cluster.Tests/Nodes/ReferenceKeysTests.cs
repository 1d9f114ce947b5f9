using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Akka.Configuration;
using GrpoActors.Cluster.Nodes;
using GrpoActors.Cluster.Security;
using GrpoActors.Core.Plans;
using GrpoActors.Journal.Tests;
using Xunit;

namespace GrpoActors.Cluster.Tests.Nodes;

/// <summary>A key of <c>reference.conf</c> that nobody reads would promise what does not happen.</summary>
public sealed partial class ReferenceKeysTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> OfUs => [.. HoconFiles.Keys("reference.conf", "grpo").Where(key => !key.StartsWith("grpo.security.", StringComparison.Ordinal))];

    public static TheoryData<string> OfSecurity => [.. HoconFiles.Keys("reference.conf", "grpo").Where(key => key.StartsWith("grpo.security.", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(OfUs))]
    public void A_node_is_another_one_when_the_key_has_another_value(string key) => Assert.NotEqual(Node(""), Node($"{key} = {Another(key)}"));

    [Theory]
    [MemberData(nameof(OfSecurity))]
    public void A_node_trusts_otherwise_when_the_key_has_another_value(string key)
    {
        string certificates = Certificates();
        string around = key.Split('.')[^1] switch
        {
            "certificate-password-env" or "check-host-name" => certificates, // they say something about certificates
            _ => "",
        };
        Assert.NotEqual(Trust(around), Trust($"{around}\n{key} = {Another(key)}"));
    }

    public void Dispose() => folder.Dispose();

    private static string Another(string key)
    {
        string value = HoconFiles.Parse("reference.conf").GetString(key) ?? "";
        return (key, value) switch
        {
            ("grpo.node.roles", _) => "[\"scorer\"]",
            ("grpo.node.seeds", _) => "[\"10.0.0.9:4053\"]",
            (_, "on") => "off",
            _ when Amount().Match(value) is { Success: true } amount => $"{long.Parse(amount.Groups[1].Value, CultureInfo.InvariantCulture) + 1}{amount.Groups[2].Value}",
            _ => "\"10.0.0.9\"",
        };
    }

    /// <summary>All that a node takes from its configuration, as text.</summary>
    private string Node(string users)
    {
        NodeOptions options = NodeOptions.Of("run.json", new GrpoNodeSettings { ConfigFile = Write(users) });
        return $"{options with { Config = Config.Empty, Roles = [], Seeds = [] }} {string.Join(' ', options.Roles)} {string.Join(' ', options.Seeds)} {NodeSettings.Of(options.Config)}";
    }

    /// <summary>What it shows and what it says of a certificate of its own authority under another host's name.</summary>
    private string Trust(string users)
    {
        try
        {
            NodeSecurity security = NodeSecurity.Read(NodeHocon.Read(Write(users), []), _ => null);
            return $"{security.Certificate?.Subject}: {(security.Certificate is { } own ? security.Refusal(own, null, SslPolicyErrors.RemoteCertificateNameMismatch) : "")}";
        }
        catch (SecurityMistakeException mistake)
        {
            return mistake.Message;
        }
    }

    private string Certificates()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=node", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllBytes(folder.File("node.p12"), certificate.Export(X509ContentType.Pkcs12));
        File.WriteAllText(folder.File("authorities.pem"), certificate.ExportCertificatePem());
        return $"grpo.security {{ certificate = \"{folder.File("node.p12")}\", authorities = \"{folder.File("authorities.pem")}\" }}";
    }

    private string Write(string users)
    {
        string file = folder.File("users.conf");
        File.WriteAllText(file, users);
        return file;
    }

    [GeneratedRegex("^([0-9]+)( ?[a-z]*)$")]
    private static partial Regex Amount();
}
