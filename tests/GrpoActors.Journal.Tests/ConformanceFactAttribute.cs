using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace GrpoActors.Journal.Tests;

/// <summary>A fact of the suite, skipped for a back end whose <see cref="RequiresAttribute"/> finds something missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("GrpoActors.Journal.Tests.ConformanceDiscoverer", "GrpoActors.Journal.Tests")]
public sealed class ConformanceFactAttribute : FactAttribute;

/// <summary>On a test class: why its tests cannot run on this machine, if they cannot.</summary>
[AttributeUsage(AttributeTargets.Class)]
public abstract class RequiresAttribute : Attribute
{
    public abstract string? Missing { get; }
}

public sealed class ConformanceDiscoverer(IMessageSink messages) : FactDiscoverer(messages)
{
    protected override IXunitTestCase CreateTestCase(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute) =>
        new ConformanceCase(DiagnosticMessageSink, discoveryOptions.MethodDisplayOrDefault(), discoveryOptions.MethodDisplayOptionsOrDefault(), testMethod);
}

public sealed class ConformanceCase : XunitTestCase
{
#pragma warning disable CS0618 // the runner deserialises through it
    public ConformanceCase()
    {
    }
#pragma warning restore CS0618

    public ConformanceCase(IMessageSink messages, TestMethodDisplay display, TestMethodDisplayOptions options, ITestMethod method)
        : base(messages, display, options, method)
    {
    }

    protected override string GetSkipReason(IAttributeInfo factAttribute) =>
        (Attribute.GetCustomAttribute(TestMethod.TestClass.Class.ToRuntimeType(), typeof(RequiresAttribute)) as RequiresAttribute)?.Missing ?? base.GetSkipReason(factAttribute);
}
