using GrpoActors.Core.Plans;
using Xunit;

namespace GrpoActors.Engine.Tests;

public sealed class EngineProvidersTests
{
    [Fact]
    public void The_default_engine_is_built_in_and_opens_by_its_name()
    {
        IEngineProvider provider = EngineProviders.Find(RunIdentity.DefaultEngine).Value!;
        using IEngine engine = EngineProviders.Open(RunIdentity.DefaultEngine, MicroModel.Spec(), new EngineOptions(1, 16));
        Assert.Equal((provider.Name, provider.NumericsRevision), (engine.Traits.Name, engine.Traits.NumericsRevision));
    }

    [Fact]
    public void A_registered_engine_is_found_by_its_name()
    {
        var provider = new NamedProvider("registered-here");
        EngineProviders.Register(provider);
        Assert.Same(provider, EngineProviders.Find("registered-here").Value);
        Assert.Contains("registered-here", EngineProviders.Names);
        Assert.Contains("cpu", EngineProviders.Names);
    }

    [Fact]
    public void Registering_the_same_engine_again_changes_nothing()
    {
        var first = new NamedProvider("registered-twice");
        EngineProviders.Register(first);
        EngineProviders.Register(new NamedProvider("registered-twice"));
        Assert.Same(first, EngineProviders.Find("registered-twice").Value);
    }

    [Fact]
    public void A_name_that_another_engine_has_is_refused()
    {
        ArgumentException taken = Assert.Throws<ArgumentException>(() => EngineProviders.Register(new NamedProvider("cpu")));
        Assert.StartsWith("There is already an engine named cpu", taken.Message);
        Assert.Throws<ArgumentException>(() => EngineProviders.Register(new NamedProvider(" ")));
    }

    [Fact]
    public void An_unknown_name_is_answered_with_the_nearest_and_with_all_there_are()
    {
        ConfigError error = Assert.Single(EngineProviders.Find("cpy").Errors);
        Assert.StartsWith("is \"cpy\", which is no engine. Did you mean cpu? There ", error.ToString());
        Assert.Contains(string.Join(", ", EngineProviders.Names), error.Fix);
        Assert.DoesNotContain("Did you mean", Assert.Single(EngineProviders.Find("quantum").Errors).Fix);
    }

    [Fact]
    public void Opening_an_unknown_engine_is_a_mistake_in_the_plans_engine()
    {
        ConfigException mistake = Assert.Throws<ConfigException>(() => EngineProviders.Open("quantum", MicroModel.Spec(), new EngineOptions(1, 16)));
        Assert.StartsWith("engine: is \"quantum\", which is no engine. There ", mistake.Message);
    }

    private sealed class NamedProvider(string name) : IEngineProvider
    {
        public string Name => name;

        public string NumericsRevision => "1";

        public IEngine Open(ModelSpec spec, EngineOptions options) => throw new InvalidOperationException("Nobody opens it.");
    }
}
