using System.Text;

namespace GrpoActors.Text;

/// <summary>GPT-2's spelling of bytes: each of the 256 bytes is one printable character, so that a vocabulary of bytes can be written as text.</summary>
/// <remarks>Printable Latin-1 bytes stand for themselves; the other 68, ascending, for U+0100 and on.</remarks>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = Chars();
    private static readonly short[] ByteOfChar = Bytes();

    public static char Char(byte value) => CharOfByte[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int Byte(char character) => character < ByteOfChar.Length ? ByteOfChar[character] : -1;

    /// <summary>The text's UTF-8 bytes in this spelling.</summary>
    public static string Spell(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return string.Create(bytes.Length, bytes, (span, source) =>
        {
            for (int i = 0; i < source.Length; i++)
            {
                span[i] = CharOfByte[source[i]];
            }
        });
    }

    private static char[] Chars()
    {
        var chars = new char[256];
        char next = '\u0100';
        for (int b = 0; b < 256; b++)
        {
            chars[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)b : next++;
        }

        return chars;
    }

    private static short[] Bytes()
    {
        var bytes = Enumerable.Repeat((short)-1, CharOfByte.Max() + 1).ToArray();
        for (int b = 0; b < 256; b++)
        {
            bytes[CharOfByte[b]] = (short)b;
        }

        return bytes;
    }
}
