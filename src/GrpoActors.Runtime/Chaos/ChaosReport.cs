using System.Collections.Immutable;

namespace GrpoActors.Runtime.Chaos;

/// <param name="Train">Program and arguments that train the run file; the run folder and --json are added.</param>
/// <param name="Folder">Holds the run folders of the trial; those that ended well are deleted.</param>
/// <param name="Jobs">Runs that are disturbed at the same time; 1 or more.</param>
/// <param name="HungAfter">A process that has not ended by then is reported with what it said.</param>
public sealed record ChaosSettings(IReadOnlyList<string> Train, string Folder, ChaosNumbers Numbers, int Jobs, int Seed, TimeSpan HungAfter);

/// <param name="Name">A crash point, or another kind of fault.</param>
/// <param name="Reached">By the undisturbed run; 0 where that is not counted.</param>
/// <param name="WithoutProgress">Kills of a restarted process that had made nothing durable: not counted as happened.</param>
public sealed record ChaosCount(string Name, long Reached, int Planned, int Happened, int WithoutProgress);

/// <param name="Starts">Training processes started, with the undisturbed one.</param>
/// <param name="Runs">Disturbed runs that came to their end, each compared with the undisturbed one.</param>
/// <param name="Skipped">Faults that this machine does not allow, with the reason; they are not among the planned ones.</param>
/// <param name="Findings">One sentence each; none means that the promise held.</param>
public sealed record ChaosReport(string Hashes, int Starts, int Runs, ImmutableArray<ChaosCount> Counts, ImmutableArray<string> Skipped, ImmutableArray<string> Findings);
