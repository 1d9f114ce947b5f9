namespace GrpoActors.Hub;

/// <summary>The Hub's usual cache: contents by their hash, a folder of links for each revision, names of revisions.</summary>
/// <remarks>
/// <code>
/// models--OWNER--NAME/ blobs/HASH   snapshots/COMMIT/config.json -> ../../blobs/HASH   refs/main (holds COMMIT)
/// </code>
/// The same as huggingface_hub's, so that either finds what the other fetched.
/// </remarks>
public sealed class HubCache(string folder)
{
    public const string DefaultRevision = "main";

    /// <summary>HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or ~/.cache/huggingface/hub, as huggingface_hub looks for it.</summary>
    public static string DefaultFolder()
    {
        static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
        string caches = Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Variable("HF_HUB_CACHE") ?? Path.Combine(Variable("HF_HOME") ?? Path.Combine(caches, "huggingface"), "hub");
    }

    public string Repository(string owner, string name) => Path.Combine(folder, $"models--{owner}--{name}");

    public string Blob(string owner, string name, string hash) => Path.Combine(Repository(owner, name), "blobs", hash);

    /// <summary>The files of a commit.</summary>
    public string SnapshotFolder(string owner, string name, string commit) => Path.Combine(Repository(owner, name), "snapshots", commit);

    /// <summary>Holds the commit that a branch or tag stood for when it was fetched.</summary>
    public string Reference(string owner, string name, string revision) => Path.Combine(Repository(owner, name), "refs", revision);

    /// <summary>The folder of a revision that was fetched; null where it was not.</summary>
    public string? Snapshot(string owner, string name, string revision = DefaultRevision)
    {
        string reference = Reference(owner, name, revision);
        string commit = File.Exists(reference) ? File.ReadAllText(reference).Trim() : revision;
        string snapshot = SnapshotFolder(owner, name, commit);
        return commit.Length > 0 && Directory.Exists(snapshot) ? snapshot : null;
    }
}
