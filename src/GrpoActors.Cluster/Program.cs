using System.CommandLine;
using System.Runtime.InteropServices;
using GrpoActors.Cluster.Commands;
using GrpoActors.Cluster.Security;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Workers;

using var stop = new CancellationTokenSource();
int signalled = 0;
using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, ExitCodes.Interrupted));
using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, ExitCodes.Terminated));
try
{
    var root = new RootCommand("Trains a language model by reinforcement learning from verifiable rewards, on a cluster of nodes.") { RunCommand.Build(stop.Token) };
    ParseResult parsed = root.Parse(args);
    if (parsed.Errors.Count > 0)
    {
        foreach (string message in parsed.Errors.Select(error => error.Message).Distinct())
        {
            Console.Error.WriteLine($"grpo-cluster: {message}");
        }

        Console.Error.WriteLine("Try: grpo-cluster run --help");
        return ExitCodes.Mistake;
    }

    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (OperationCanceledException) when (signalled != 0)
{
    return signalled;
}
catch (ConfigException mistakes)
{
    foreach (ConfigError error in mistakes.Errors)
    {
        Console.Error.WriteLine(error);
    }

    Console.Error.WriteLine(mistakes.Errors.Length == 1 ? "1 mistake; nothing was started." : $"{mistakes.Errors.Length} mistakes; nothing was started.");
    return ExitCodes.Mistake;
}
catch (SecurityMistakeException mistake)
{
    Console.Error.WriteLine($"grpo-cluster: {mistake.Message}");
    return ExitCodes.Mistake;
}
catch (Exception failure) when (failure is StorageException or RunFailedException)
{
    Console.Error.WriteLine($"grpo-cluster: {failure.Message}");
    return ExitCodes.Failure;
}
#pragma warning disable CA1031 // the last line of defence: whatever it is becomes one sentence
catch (Exception unexpected)
#pragma warning restore CA1031
{
    Console.Error.WriteLine($"grpo-cluster: stopped by an unexpected {unexpected.GetType().Name}: {unexpected.Message.ReplaceLineEndings(" ")} What is journalled is kept. GRPO_TRACE=1 shows where it happened.");
    if (Environment.GetEnvironmentVariable("GRPO_TRACE") == "1")
    {
        Console.Error.WriteLine(unexpected);
    }

    return ExitCodes.Failure;
}

void Stop(PosixSignalContext context, int exitCode)
{
    context.Cancel = true; // the runtime would end the process here
    if (Interlocked.CompareExchange(ref signalled, exitCode, 0) != 0)
    {
        Environment.Exit(exitCode); // asked twice: nothing is lost, the journal is durable
    }

    Console.Error.WriteLine("Draining; once more to leave at once.");
    stop.Cancel();
}
