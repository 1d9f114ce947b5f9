using System.Diagnostics;
using System.Text.RegularExpressions;
using GrpoActors.Cluster.Security;
using Xunit;

namespace GrpoActors.Cluster.Tests.Deploy;

public sealed partial class SystemdTests
{
    private const string Unit = "deploy/systemd/grpo-node@.service";

    private static readonly string[] Lines = DeployFiles.Text(Unit).Split('\n');

    [Fact]
    public void Every_variable_of_the_command_line_stands_in_the_examples_and_the_others_are_read_by_the_program()
    {
        string[] used = [.. Variable().Matches(Lines.Single(line => line.StartsWith("ExecStart=", StringComparison.Ordinal))).Select(match => match.Groups[1].Value)];
        string[] set =
        [
            .. new[] { "cluster.env.example", "node.env.example" }.SelectMany(file => DeployFiles.Text($"deploy/systemd/{file}").Split('\n'))
                .Where(line => line.Contains('=', StringComparison.Ordinal) && !line.StartsWith('#')).Select(line => line.Split('=')[0]),
        ];
        Assert.Empty(used.Except(set));
        Assert.Empty(set.Except(used).Except(DeployFiles.VariablesRead));
        Assert.Contains(JoinSecret.Variable, set);
    }

    [Fact]
    public void A_mistake_is_not_tried_again_and_a_drained_node_counts_as_ended()
    {
        Assert.Contains("Restart=on-failure", Lines);
        Assert.Contains("RestartPreventExitStatus=2", Lines);
        Assert.Contains("SuccessExitStatus=130 143", Lines);
    }

    [Fact]
    public void Systemd_has_nothing_to_say_against_the_unit()
    {
        string folder = Directory.CreateTempSubdirectory("grpo-unit-").FullName;
        try
        {
            string copy = Path.Combine(folder, Path.GetFileName(Unit));
            File.WriteAllText(copy, DeployFiles.Text(Unit).Replace("/opt/grpo/grpo", "/bin/true", StringComparison.Ordinal));
            using Process? verify = Start("systemd-analyze", "verify", copy);
            if (verify is null)
            {
                return; // no systemd here; the other tests have read the file
            }

            string said = verify.StandardError.ReadToEnd();
            verify.WaitForExit();
            Assert.Equal(("", 0), (said, verify.ExitCode));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Process? Start(string program, params string[] arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, UseShellExecute = false });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\$\{?([A-Z_]+)\}?")]
    private static partial Regex Variable();
}
