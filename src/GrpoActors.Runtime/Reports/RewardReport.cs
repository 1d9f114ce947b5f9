using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Reports;

/// <summary>How often one reward scored, abstained and failed, in a step or in a run.</summary>
public sealed record RewardReport(string Name, RewardTally Tally);
