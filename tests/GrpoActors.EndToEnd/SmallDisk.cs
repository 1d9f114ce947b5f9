using System.Diagnostics;
using Xunit;

namespace GrpoActors.EndToEnd;

/// <summary>A file system in memory that is soon full. Needs the right to mount one.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly string folder;

    public SmallDisk(string folder, int kibibytes)
    {
        this.folder = Directory.CreateDirectory(folder).FullName;
        Assert.Equal(0, Run("mount", "-t", "tmpfs", "-o", $"size={kibibytes}k", "tmpfs", this.folder));
    }

    public void Grow(int kibibytes) => Assert.Equal(0, Run("mount", "-o", $"remount,size={kibibytes}k", folder));

    public void Dispose() => Run("umount", folder);

    public static bool CanBeMade()
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        string probe = Directory.CreateTempSubdirectory("grpo-").FullName;
        try
        {
            bool made = Run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", probe) == 0;
            return made && Run("umount", probe) == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // there is no mount
        }
        finally
        {
            Directory.Delete(probe);
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}

/// <summary>Skipped where no file system can be mounted.</summary>
internal sealed class SmallDiskFactAttribute : FactAttribute
{
    private static readonly bool CanBeMade = SmallDisk.CanBeMade();

    public SmallDiskFactAttribute() => Skip = CanBeMade ? null : "A small file system is needed to be filled, and only root may mount one.";
}
