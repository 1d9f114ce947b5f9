using System.Collections.Immutable;
using GrpoActors.Core.Plans;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.RunFolders;

namespace GrpoActors.Runtime.Composition;

/// <summary>The run folder's plan.json: what the run in it is.</summary>
internal static class PlanFile
{
    /// <summary>Writes the plan of a new run; of an older one, checks that it is the same run and writes how it is operated now.</summary>
    /// <exception cref="ConfigException">The folder holds a run of another identity; names the keys that differ.</exception>
    public static void Keep(RunFolder folder, RunPlan plan, ImmutableArray<SettingValue> values)
    {
        if (File.Exists(folder.Plan))
        {
            Compare(folder, plan, values);
        }

        try
        {
            string aside = folder.Plan + ".part";
            File.WriteAllText(aside, PlanIdentity.PlanJson(plan, values));
            File.Move(aside, folder.Plan, overwrite: true);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("write the plan", folder.Plan, e);
        }
    }

    private static void Compare(RunFolder folder, RunPlan plan, ImmutableArray<SettingValue> values)
    {
        ImmutableArray<IdentityDifference> differences;
        try
        {
            differences = PlanIdentity.Differences(File.ReadAllText(folder.Plan), plan.Identity, values);
        }
        catch (InvalidDataException damaged)
        {
            throw new StorageException($"The plan {folder.Plan} {damaged.Message}", damaged);
        }

        if (differences.Length > 0)
        {
            throw new ConfigException([.. differences.Select(difference => new ConfigError(
                difference.Key, $"was {difference.Before} when the run in {folder.Path} began, and is now {difference.After}.", "Use another --run-dir, or --fresh to set the old run aside."))]);
        }
    }
}
