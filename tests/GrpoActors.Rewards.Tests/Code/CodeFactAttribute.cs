using GrpoActors.Rewards.Code;

namespace GrpoActors.Rewards.Tests.Code;

/// <summary>Skipped, with the reason, where programs cannot be shut in or there is no Python to run.</summary>
internal sealed class CodeFactAttribute : FactAttribute
{
    public CodeFactAttribute() => Skip = Reason;

    public static string? Reason => CodeSandbox.Missing ?? (CodeSandbox.Shows("python3", []) ? null : "there is no python3 in /usr/bin");
}

/// <inheritdoc cref="CodeFactAttribute"/>
internal sealed class CodeTheoryAttribute : TheoryAttribute
{
    public CodeTheoryAttribute() => Skip = CodeFactAttribute.Reason;
}
