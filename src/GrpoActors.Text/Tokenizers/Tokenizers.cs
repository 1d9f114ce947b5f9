using System.Text.Json;

namespace GrpoActors.Text;

/// <summary>Loads a tokenizer from a <c>tokenizer.json</c>.</summary>
public static class Tokenizers
{
    /// <param name="folderOrFile">A Hugging Face folder that holds <c>tokenizer.json</c>, with the files beside it; or such a file by itself.</param>
    /// <exception cref="FileNotFoundException">There is no such file; the message says where it was expected.</exception>
    /// <exception cref="TokenizerFormatException">The file is damaged, or needs a component that is not supported.</exception>
    public static ITokenizer Load(string folderOrFile)
    {
        bool folder = Directory.Exists(folderOrFile);
        string file = folder ? Path.Combine(folderOrFile, "tokenizer.json") : folderOrFile;
        if (!File.Exists(file))
        {
            throw new FileNotFoundException($"{file}: there is no such file. A tokenizer is read from a folder with a tokenizer.json, or from such a file.", file);
        }

        return Parse(File.ReadAllBytes(file), file, folder ? DeclaredTokens.Read(folderOrFile) : null);
    }

    /// <summary>Loads a tokenizer from the content of a <c>tokenizer.json</c>.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="name">What error messages call it.</param>
    /// <param name="declared">Tokens that are added where it lacks them; null: none.</param>
    /// <exception cref="TokenizerFormatException">The content is damaged, or needs a component that is not supported.</exception>
    public static ITokenizer Parse(ReadOnlyMemory<byte> json, string name = "tokenizer.json", DeclaredTokens? declared = null)
    {
        if (json.Span.StartsWith("version https://git-lfs"u8))
        {
            throw new TokenizerFormatException(
                name, "is a Git LFS pointer, not the file itself; run git lfs pull in its folder, or fetch the model with grpo pull OWNER/NAME.");
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw new TokenizerFormatException(name, $"is no valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: is the file whole?", e);
        }

        using (document)
        {
            var root = TokenizerJson.Root(document.RootElement, name);
            try
            {
                return CharacterTokenizer.TryRead(root, declared) ?? (ITokenizer)BytePairTokenizer.Read(root, declared);
            }
            catch (InvalidOperationException e)
            {
                // What the JSON reader says of a string that is no text, wherever it stands.
                throw new TokenizerFormatException(name, "the file holds a string that is no valid UTF-8 or UTF-16.", e);
            }
        }
    }
}
