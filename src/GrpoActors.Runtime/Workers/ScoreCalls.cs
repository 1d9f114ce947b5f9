using System.Threading.Channels;
using GrpoActors.Core;
using GrpoActors.Core.Runs;

namespace GrpoActors.Runtime.Workers;

/// <summary>
/// Reward calls that wait for a scorer. What is asked for again while it still waits, or is answered before anybody took it again, is not scored twice: with slow rewards, copies would
/// grow faster than they are worked off.
/// </summary>
internal sealed class ScoreCalls
{
    private readonly Channel<ScoreCall> queue = Channel.CreateUnbounded<ScoreCall>();
    private readonly HashSet<(GroupId Group, int Reward, int Attempt)> waiting = [];

    public void Add(ScoreCall call)
    {
        lock (waiting)
        {
            if (waiting.Add(Key(call)))
            {
                queue.Writer.TryWrite(call);
            }
        }
    }

    /// <summary>Blocks until there is one.</summary>
    public ScoreCall Take(CancellationToken stop)
    {
        while (true)
        {
            ScoreCall call = queue.Reader.ReadAsync(stop).AsTask().GetAwaiter().GetResult();
            lock (waiting)
            {
                if (waiting.Remove(Key(call)))
                {
                    return call;
                }
            }
        }
    }

    public void Answered(ScoreCall call)
    {
        lock (waiting)
        {
            waiting.Remove(Key(call));
        }
    }

    private static (GroupId Group, int Reward, int Attempt) Key(ScoreCall call) => (call.Group, call.Reward, call.Attempt);
}
