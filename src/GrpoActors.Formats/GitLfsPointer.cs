namespace GrpoActors.Formats;

/// <summary>The few lines that git leaves in the place of a large file where Git LFS did not fetch it.</summary>
internal static class GitLfsPointer
{
    public const string Sentence = "it is a Git LFS pointer, not the file itself; run git lfs pull in its folder, or fetch the model with grpo pull OWNER/NAME.";

    public static bool Begins(ReadOnlySpan<byte> file) => file.StartsWith("version https://git-lfs"u8);
}
