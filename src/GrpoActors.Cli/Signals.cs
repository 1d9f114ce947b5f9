using System.Runtime.InteropServices;

namespace GrpoActors.Cli;

/// <summary>SIGINT and SIGTERM: the first asks for a clean stop, the second leaves at once.</summary>
internal sealed class Signals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly TextWriter _talk;
    private int _exitCode;

    public Signals(TextWriter talk)
    {
        _talk = talk;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Arrived(context, ExitCodes.Interrupted)),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Arrived(context, ExitCodes.Terminated)),
        ];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>130 or 143 once a signal arrived, else null.</summary>
    public int? ExitCode => _exitCode == 0 ? null : _exitCode;

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _stop.Dispose();
    }

    private void Arrived(PosixSignalContext context, int exitCode)
    {
        context.Cancel = true; // the runtime would end the process here
        if (Interlocked.CompareExchange(ref _exitCode, exitCode, 0) != 0)
        {
            Environment.Exit(exitCode); // asked twice: nothing is lost, the journal is durable
        }

        _talk.WriteLine("Stopping; once more to leave at once.");
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // the command has come to its end meanwhile
        }
    }
}
