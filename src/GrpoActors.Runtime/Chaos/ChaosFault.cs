using System.Globalization;

namespace GrpoActors.Runtime.Chaos;

/// <summary>What is done to a process of the run, or to its files between two processes.</summary>
public abstract record ChaosFault
{
    private ChaosFault()
    {
    }

    /// <summary>Faults of one name are counted together.</summary>
    public abstract string Name { get; }

    /// <summary>It kills itself with SIGKILL when it reaches the point for the <paramref name="Count"/>-th time.</summary>
    public sealed record AtPoint(string Point, long Count) : ChaosFault
    {
        public override string Name => Point;

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Point}#{Count}");
    }

    /// <summary>It is killed with SIGKILL at a moment after its start.</summary>
    /// <param name="Moment">As a share of the time that a process needs for the whole run; 0 to 1.</param>
    public sealed record Kill(double Moment) : ChaosFault
    {
        public override string Name => "random moment";

        public override string ToString() => $"SIGKILL after {Moment:0.000} of a run's time";
    }

    /// <summary>It is stopped with SIGSTOP at a moment after its start, and goes on with SIGCONT after <paramref name="For"/>.</summary>
    /// <param name="Moment">As a share of the time that a process needs for the whole run; 0 to 1.</param>
    public sealed record Freeze(double Moment, TimeSpan For) : ChaosFault
    {
        public override string Name => "SIGSTOP";

        public override string ToString() => $"SIGSTOP after {Moment:0.000} of a run's time, for {For.TotalSeconds:0.000} s";
    }

    /// <summary>None of its files may grow beyond so many KiB: RLIMIT_FSIZE. It must stop with exit code 1 and a sentence.</summary>
    public sealed record Quota(int Kibibytes) : ChaosFault
    {
        public override string Name => "quota";

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"a quota of {Kibibytes} KiB a file");
    }

    /// <summary>The run folder cannot be written. It must stop with exit code 1 and a sentence.</summary>
    public sealed record ReadOnly : ChaosFault
    {
        public override string Name => "read-only folder";

        public override string ToString() => "a read-only folder";
    }

    /// <summary>After a process was killed, the end of one of its files is lost, as if the last write had been torn.</summary>
    /// <param name="File">Whose end.</param>
    /// <param name="Kept">What is left of the file, as a share of its bytes; 0 to 1.</param>
    public sealed record Torn(TornFile File, double Kept) : ChaosFault
    {
        public override string Name => File == TornFile.Journal ? "torn journal" : "torn checkpoint";

        public override string ToString() => $"{Name}, {Kept:0.000} of it kept";
    }
}

/// <summary>Which file of a run loses its end.</summary>
public enum TornFile
{
    /// <summary>The journal's write-ahead log.</summary>
    Journal,

    /// <summary>A file of the newest checkpoint.</summary>
    Checkpoint,
}
