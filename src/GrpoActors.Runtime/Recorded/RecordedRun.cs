using GrpoActors.Audit;
using GrpoActors.Core;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Journal;
using GrpoActors.Rewards;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Runtime.Recorded;

/// <summary>A run folder as it lies on disk, finished or under way. Reading it disturbs nobody.</summary>
public sealed class RecordedRun
{
    private readonly RunJournal journal;

    private RecordedRun(string folder, RunPlan plan, string? journalSetting)
    {
        Folder = folder;
        Plan = plan;
        Identity = PlanIdentity.IdentityDigest(plan.Identity);
        journal = RunJournal.Of(journalSetting ?? plan.Operation.Journal, folder, Identity);
        Checkpoints = new CheckpointStore(PhysicalDisk.Instance, Path.Combine(folder, "checkpoints"));
    }

    public string Folder { get; }

    internal ICheckpointStore Checkpoints { get; }

    public RunPlan Plan { get; }

    /// <summary>SHA-256 of the plan's identity.</summary>
    public Digest Identity { get; }

    /// <param name="journal">As the setting of this name; null: where the plan says.</param>
    /// <exception cref="NoRunException">There is no run in this folder.</exception>
    /// <exception cref="StorageException">Its plan cannot be read or is damaged.</exception>
    public static RecordedRun Open(string folder, string? journal = null)
    {
        string plan = Path.Combine(folder, "plan.json");
        try
        {
            return new RecordedRun(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)), PlanIdentity.Parse(File.ReadAllText(plan)), journal);
        }
        catch (InvalidDataException damaged)
        {
            throw new StorageException($"The plan {plan} {damaged.Message}", damaged);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new NoRunException($"There is no run in {folder}: it holds no plan.json.", e);
        }
        catch (Exception e) when (DiskFailure.Is(e))
        {
            throw DiskFailure.Sentence("read the plan", plan, e);
        }
    }

    /// <summary>The version at which the journal begins; the steps before it were compacted away.</summary>
    public long FirstVersion() => Events().Select(e => e.Event is RunEvent.Compacted first ? first.Folded.Version.Steps : 0).FirstOrDefault();

    /// <summary>Every event with the states around it.</summary>
    /// <exception cref="JournalDamagedException">A record fails its check.</exception>
    public IEnumerable<FoldedEvent> Events()
    {
        using IJournalReader reader = journal.OpenForReading();
        RunState run = RunState.Begin(Plan.Identity);
        foreach (JournalEntry entry in reader.Read())
        {
            RunState before = run;
            run = run.Apply(entry.Event);
            yield return new FoldedEvent(before, entry.Event, run);
        }
    }

    /// <summary>Records appended so far: the position of the next one. 0 where the journal was not begun.</summary>
    public long Records()
    {
        try
        {
            using IJournalReader reader = journal.OpenForReading();
            return reader.Stored().LastOrDefault() is { Payload: not null } last ? last.Position + 1 : reader.First;
        }
        catch (NoJournalException)
        {
            return 0;
        }
    }

    public AuditReport Audit()
    {
        using IJournalReader reader = journal.OpenForReading();
        AuditReport report = JournalAudit.Run(reader, Plan.Identity, Identity);
        using IJournalReader now = journal.OpenForReading();
        return now.First == reader.First ? report : Audit(); // records were compacted away in the middle of it
    }

    /// <summary>Engine, tokenizer, rows and rewards of the plan.</summary>
    public RunSetup Setup(RewardRegistry rewards) => RunComposition.Build(Plan, rewards);

    /// <summary>The weights of a checkpoint; the newest intact one by default.</summary>
    /// <exception cref="StorageException">There is none, or the one asked for is damaged.</exception>
    public PolicyWeights Weights(long? step = null)
    {
        string why = "";
        foreach (FoundCheckpoint found in Checkpoints.Scan().Where(found => step is null || found.Step == step))
        {
            switch (found)
            {
                case FoundCheckpoint.Intact intact:
                    return new PolicyWeights(new PolicyVersion(intact.Step), intact.Manifest.Mark.Policy, Checkpoints.Load(intact.Manifest).Weights);
                case FoundCheckpoint.Damaged damaged:
                    why = $" The one of step {damaged.Step} is damaged: {damaged.Why}";
                    break;
                default:
                    break;
            }
        }

        IReadOnlyList<long> there = Checkpoints.Steps();
        string have = there.Count == 0 ? "there are none yet" : $"there are those of steps {string.Join(", ", there)}";
        throw new StorageException($"{(step is null ? "No checkpoint" : $"No checkpoint of step {step}")} can be used in {Folder}: {have}.{why}");
    }
}

/// <summary>There is no run in this folder.</summary>
public sealed class NoRunException(string message, Exception cause) : StorageException(message, cause);
