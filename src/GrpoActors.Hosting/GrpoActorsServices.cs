using GrpoActors.Hosting;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Puts a run into a host.</summary>
public static class GrpoActorsServices
{
    /// <summary>Trains a run file in this host, or goes on where its journal ends: in this process alone, or as a node of a cluster.</summary>
    /// <remarks>
    /// Registers <see cref="HostedRun"/> with the steps and the result, a health check by the name <c>grpo</c>, and logs under <c>GrpoActors</c>. A mistake in run file or options
    /// is thrown when the host starts. What was registered through <c>Configure&lt;GrpoActorsOptions&gt;</c>, for example from a section of the host's configuration, holds as well.
    /// </remarks>
    /// <param name="services">Of the host; one run a host.</param>
    /// <param name="runFile">Path of a run file, such as recipes/arithmetic.json.</param>
    /// <param name="configure">Rewards, overrides, and the node.</param>
    /// <exception cref="InvalidOperationException">This host has a run already.</exception>
    /// <example>
    /// <code>
    /// var builder = Host.CreateApplicationBuilder(args);
    /// builder.Services.AddGrpoActors("recipes/arithmetic.json", grpo =>
    /// {
    ///     grpo.Rewards = RewardRegistry.BuiltIn.With(new DelegateReward("brief", 1, x => x.Tokens &lt; 20 ? 1 : 0));
    ///     grpo.Node = new() { Roles = ["generator"], Seeds = ["10.0.0.1:4053"] };   // without: this process is all of the run
    /// });
    /// await builder.Build().RunAsync();
    /// </code>
    /// </example>
    public static IServiceCollection AddGrpoActors(this IServiceCollection services, string runFile, Action<GrpoActorsOptions>? configure = null)
    {
        if (services.Any(service => service.ServiceType == typeof(HostedRun)))
        {
            throw new InvalidOperationException("This host has a run already: one host trains one run.");
        }

        services.AddOptions<GrpoActorsOptions>().Configure(grpo =>
        {
            grpo.RunFile = runFile;
            configure?.Invoke(grpo);
        });
        services.AddSingleton<HostedRun>();
        services.AddHostedService<GrpoActorsService>();
        services.AddHealthChecks().AddCheck<RunHealthCheck>("grpo", tags: ["ready"]);
        services.AddLogging(logging => logging.AddFilter("GrpoActors.Akka", LogLevel.Warning)); // its start-up lines say nothing more
        return services;
    }
}
