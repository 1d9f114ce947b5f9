namespace GrpoActors.Core;

/// <summary>Which of a phase's two prompt streams a group was drawn from.</summary>
public enum GroupStream : byte
{
    Primary = 0,
    /// <summary>Groups that replace dropped ones (DAPO's dynamic sampling).</summary>
    Refill = 1,
}

/// <summary>A group: the completions of one prompt. An ordinal never repeats within (phase, stream).</summary>
/// <param name="Phase">Index of the phase in the plan, from 0.</param>
/// <param name="Ordinal">From 0, contiguous in its stream; epoch and data row follow from it.</param>
public readonly record struct GroupId(int Phase, GroupStream Stream, long Ordinal) : IComparable<GroupId>
{
    public int CompareTo(GroupId other)
    {
        int byPhase = Phase.CompareTo(other.Phase);
        if (byPhase != 0)
        {
            return byPhase;
        }

        int byStream = Stream.CompareTo(other.Stream);
        return byStream != 0 ? byStream : Ordinal.CompareTo(other.Ordinal);
    }

    public static bool operator <(GroupId left, GroupId right) => left.CompareTo(right) < 0;
    public static bool operator >(GroupId left, GroupId right) => left.CompareTo(right) > 0;
    public static bool operator <=(GroupId left, GroupId right) => left.CompareTo(right) <= 0;
    public static bool operator >=(GroupId left, GroupId right) => left.CompareTo(right) >= 0;

    /// <summary>For example <c>1.p.42</c>: phase 1, primary stream, ordinal 42.</summary>
    public override string ToString() => $"{Phase}.{(Stream == GroupStream.Primary ? 'p' : 'r')}.{Ordinal}";
}

/// <summary>One sampled answer; <paramref name="Index"/> in [0, num_generations).</summary>
public readonly record struct CompletionId(GroupId Group, int Index)
{
    public override string ToString() => $"{Group}.{Index}";
}

/// <summary>The number of committed steps behind a set of weights. Counts through the whole run and never goes back.</summary>
public readonly record struct PolicyVersion(long Steps) : IComparable<PolicyVersion>
{
    public PolicyVersion Next => new(Steps + 1);
    public int CompareTo(PolicyVersion other) => Steps.CompareTo(other.Steps);
    public static bool operator <(PolicyVersion left, PolicyVersion right) => left.Steps < right.Steps;
    public static bool operator >(PolicyVersion left, PolicyVersion right) => left.Steps > right.Steps;
    public static bool operator <=(PolicyVersion left, PolicyVersion right) => left.Steps <= right.Steps;
    public static bool operator >=(PolicyVersion left, PolicyVersion right) => left.Steps >= right.Steps;
    public override string ToString() => $"v{Steps}";
}

/// <summary>A worker of the run: a generator, a scorer, the trainer. Owns no state of the run.</summary>
public readonly record struct WorkerId(string Name)
{
    public override string ToString() => Name;
}
