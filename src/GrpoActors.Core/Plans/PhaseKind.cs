namespace GrpoActors.Core.Plans;

/// <summary>What a phase trains by.</summary>
public enum PhaseKind : byte
{
    /// <summary>Supervised: worked examples, the loss is their mean negative log-prob.</summary>
    Sft = 0,
    /// <summary>Group-relative policy optimisation.</summary>
    Grpo = 1,
}
