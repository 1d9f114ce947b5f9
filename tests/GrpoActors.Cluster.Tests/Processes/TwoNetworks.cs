using System.Diagnostics;
using System.Globalization;

namespace GrpoActors.Cluster.Tests.Processes;

/// <summary>
/// Two network namespaces with one cable between them, which can be made to lose every packet. Nothing tells either end of it: connections stay open, and what is sent is not answered.
/// </summary>
internal sealed class TwoNetworks : IDisposable
{
    private static readonly string[] Cards = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
    private const string NoCard = "02:00:00:00:00:ff";

    private readonly string id = $"grpo{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}";

    public TwoNetworks()
    {
        try
        {
            Ip($"netns add {id}a");
            Ip($"netns add {id}b");
            Ip($"-n {id}a link add cable address {Cards[0]} type veth peer name cable address {Cards[1]} netns {id}b");
            for (int side = 0; side < 2; side++)
            {
                Ip($"-n {Name(side)} addr add {Address(side)}/24 dev cable");
                Ip($"-n {Name(side)} link set lo up");
                Ip($"-n {Name(side)} link set cable up");
            }

            Heal();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Why this machine has no such thing; null: it has.</summary>
    public static string? Missing { get; } = FindMissing();

    public string Address(int side) => $"10.201.77.{(side + 1).ToString(CultureInfo.InvariantCulture)}";

    /// <summary>What starts a program there and becomes it.</summary>
    public string[] Inside(int side) => ["ip", "netns", "exec", Name(side)];

    /// <summary>From now on packets go to a card that nobody has.</summary>
    public void Cut() => Address(NoCard, NoCard);

    public void Heal() => Address(Cards[1], Cards[0]);

    public void Dispose()
    {
        foreach (string name in new[] { Name(0), Name(1) })
        {
            _ = Run($"netns del {name}");
        }
    }

    private string Name(int side) => id + (side == 0 ? "a" : "b");

    private void Address(string ofB, string ofA)
    {
        Ip($"-n {Name(0)} neigh replace {Address(1)} lladdr {ofB} dev cable nud permanent");
        Ip($"-n {Name(1)} neigh replace {Address(0)} lladdr {ofA} dev cable nud permanent");
    }

    private static void Ip(string arguments)
    {
        if (Run(arguments) is { } error)
        {
            throw new InvalidOperationException($"ip {arguments}: {error}");
        }
    }

    /// <returns>Null: it is done.</returns>
    private static string? Run(string arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true, UseShellExecute = false })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? null : error.Trim();
    }

    private static string? FindMissing()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess || !(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(place => File.Exists(Path.Combine(place, "ip"))))
        {
            return "network namespaces need Linux, root and iproute2";
        }

        try
        {
            using var tried = new TwoNetworks();
            return null;
        }
        catch (InvalidOperationException failure)
        {
            return $"network namespaces cannot be made here ({failure.Message})";
        }
    }
}
