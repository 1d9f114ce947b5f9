using System.Text;
using GrpoActors.Formats.Files;
using Microsoft.Win32.SafeHandles;

namespace GrpoActors.Cli;

/// <summary>
/// Standard input, output and error as a command may find them: closed by who started it, a pipe that nobody reads any more, a file on a full disk. What goes to a
/// stream that is closed or broken is lost, never the work: a command ends with the exit code that it would have had.
/// </summary>
internal static class StandardStreams
{
    private const int Descriptors = 3;
    private const int CloseOnExec = 0x80000; // O_CLOEXEC on Linux, which /proc writes in octal

    // Held until the process ends, so that no file that is opened later gets one of the three numbers, and with it what is printed.
    private static readonly List<SafeFileHandle> Held = [];
    private static bool inputClosed;

    /// <summary>Call first, before anything is read, written or opened.</summary>
    public static void Guard()
    {
        bool[] closed = [.. Enumerable.Range(0, Descriptors).Select(IsClosed)];
        Occupy();
        inputClosed = closed[0];
        if (inputClosed)
        {
            Console.SetIn(TextReader.Null);
        }

        Encoding encoding = Console.OutputEncoding.Preamble.IsEmpty ? Console.OutputEncoding : new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.SetOut(closed[1] ? TextWriter.Null : Writer(new GuardedStream(Console.OpenStandardOutput(), failure => throw DiskFailure.Sentence("write the output", "standard output", failure)), encoding));
        Console.SetError(closed[2] ? TextWriter.Null : Writer(new GuardedStream(Console.OpenStandardError(), static _ => { }), encoding));
    }

    /// <summary>Empty where standard input is closed.</summary>
    public static Stream OpenInput() => inputClosed ? Stream.Null : Console.OpenStandardInput();

    /// <summary>
    /// Whether a descriptor was closed when the process began. What is there now may be a pipe of the runtime's own: an inherited descriptor cannot have
    /// close-on-exec set, and the runtime sets it on all of its.
    /// </summary>
    private static bool IsClosed(int descriptor)
    {
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        try
        {
            string flags = File.ReadLines($"/proc/self/fdinfo/{descriptor}").First(line => line.StartsWith("flags:", StringComparison.Ordinal));
            return (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & CloseOnExec) != 0;
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return Directory.Exists("/proc/self/fdinfo"); // without /proc nothing is known
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or InvalidOperationException or FormatException)
        {
            return false;
        }
    }

    private static void Occupy()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        SafeFileHandle lowest;
        while ((lowest = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)).DangerousGetHandle() < Descriptors)
        {
            Held.Add(lowest);
        }

        lowest.Dispose();
    }

    private static StreamWriter Writer(Stream to, Encoding encoding) => new(to, encoding) { AutoFlush = true };

    /// <summary>Hands a failed write to <paramref name="failed"/>. A pipe that nobody reads is no failure: the runtime passes over it.</summary>
    private sealed class GuardedStream(Stream inner, Action<Exception> failed) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                inner.Write(buffer);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                failed(failure);
            }
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
