using System.CommandLine;
using GrpoActors.Cli;
using GrpoActors.Cli.Commands;
using GrpoActors.Core.Plans;
using GrpoActors.Engine;
using GrpoActors.Engine.Torch;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Runtime.Recorded;
using GrpoActors.Runtime.Workers;

StandardStreams.Guard();
EngineProviders.Register(new TorchEngineProvider());
using var signals = new Signals(Console.Error);
try
{
    ParseResult parsed = Root.Build(signals).Parse([.. args.Select(HomeFolder.Expand)]);
    if (parsed.Errors.Count > 0)
    {
        foreach (string message in Root.Mistakes(parsed))
        {
            Console.Error.WriteLine($"grpo: {message}");
        }

        Console.Error.WriteLine($"Try: {Root.PathOf(parsed.CommandResult.Command)} --help");
        return ExitCodes.Mistake;
    }

    // Signals are ours: a second one must leave at once, and the first one has its own exit code.
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (OperationCanceledException) when (signals.ExitCode is not null)
{
    return signals.ExitCode.Value;
}
catch (ConfigException mistakes)
{
    Mistakes.Write(Console.Error, mistakes.Errors);
    return ExitCodes.Mistake;
}
catch (MistakeException mistake)
{
    Console.Error.WriteLine($"grpo: {mistake.Message}");
    return ExitCodes.Mistake;
}
catch (StorageException nothing) when (nothing is NoRunException or NoJournalException)
{
    Console.Error.WriteLine($"grpo: {nothing.Message}");
    return ExitCodes.Mistake;
}
catch (Exception failure) when (failure is StorageException or RunFailedException)
{
    Console.Error.WriteLine($"grpo: {failure.Message}");
    return ExitCodes.Failure;
}
catch (Exception failure) when (DiskFailure.Is(failure))
{
    Console.Error.WriteLine($"grpo: {DiskFailure.Sentence(failure)}");
    return ExitCodes.Failure;
}
#pragma warning disable CA1031 // the last line of defence: whatever it is becomes one sentence
catch (Exception unexpected)
#pragma warning restore CA1031
{
    Console.Error.WriteLine("grpo: stopped by a mistake of its own; what is journalled is kept. Start the same command again; if that does not help, GRPO_TRACE=1 shows what to report.");
    if (Environment.GetEnvironmentVariable("GRPO_TRACE") == "1")
    {
        Console.Error.WriteLine(unexpected);
    }

    return ExitCodes.Failure;
}
