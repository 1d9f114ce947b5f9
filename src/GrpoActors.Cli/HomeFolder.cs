namespace GrpoActors.Cli;

/// <summary><c>~</c> at the beginning of a path, where no shell has replaced it: <c>--data=~/rows.jsonl</c>, or an argument in quotes.</summary>
internal static class HomeFolder
{
    public static string Expand(string argument)
    {
        int begin = argument.StartsWith("--", StringComparison.Ordinal) ? argument.IndexOf('=') + 1 : 0;
        return argument.AsSpan(begin) is "~" or ['~', '/', ..]
            ? string.Concat(argument.AsSpan(0, begin), Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), argument.AsSpan(begin + 1))
            : argument;
    }
}
