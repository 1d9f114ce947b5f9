using System.Collections.Immutable;

namespace GrpoActors.Core.Plans;

/// <summary>A plan, or everything that is wrong.</summary>
/// <param name="Plan">Null if there are errors.</param>
/// <param name="Errors">All of them, in the order of the settings.</param>
/// <param name="Values">Every filled value with its source.</param>
/// <param name="Warnings">What is allowed but may surprise.</param>
public sealed record PlanResult(RunPlan? Plan, ImmutableArray<ConfigError> Errors, ImmutableArray<SettingValue> Values, ImmutableArray<string> Warnings)
{
    /// <exception cref="ConfigException">There are errors.</exception>
    public RunPlan PlanOrThrow() => Plan ?? throw new ConfigException(Errors);
}

/// <summary>A user's mistakes, all of them. A program prints the message and exits with code 2.</summary>
public sealed class ConfigException(ImmutableArray<ConfigError> errors) : Exception(string.Join('\n', errors))
{
    public ImmutableArray<ConfigError> Errors { get; } = errors;
}
