using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace GrpoActors.Numerics;

/// <summary>Work cut into independent items; each writes what no other item touches, so that who runs which never shows in the bits.</summary>
public interface ITeamWork
{
    /// <summary>Does one item.</summary>
    /// <param name="item">0 .. items - 1.</param>
    /// <param name="worker">0 .. Threads - 1: who runs it, for scratch memory alone.</param>
    void Run(int item, int worker);
}

/// <summary>A fork-join team: the calling thread and <c>threads - 1</c> threads of its own.</summary>
/// <remarks>
/// Items are handed out one at a time from a counter, so a thread that wakes late costs nothing: the others do its share. A thread that finds no work
/// spins for about 80 microseconds and then parks; parked threads use no processor time, so a process can hold many teams.
/// One caller at a time; no allocation after the first use. An exception of an item is thrown again by <see cref="Run{TWork}"/> once all items are over.
/// </remarks>
public sealed unsafe class ThreadTeam : IDisposable
{
    private const int SpinsBeforeParking = 200; // of about 0.4 microseconds

    private readonly Thread[] _threads;
    private readonly Lock _entry = new();
    private readonly object _door = new();
    private readonly Scratch[] _scratch;
    private readonly Scratch _shared = new();
    private int _parked;
    private volatile bool _disposed;
    private volatile Exception? _fault;

    // The work at hand. Written before _ticket is published, read after an item was taken from it, stable until that item is done.
    private delegate*<void*, int, int, void> _invoke;
    private void* _work;
    private int _items;
    private PaddedLong _ticket; // run number << 32 | next item
    private PaddedLong _done;

    /// <summary>Starts the team.</summary>
    /// <param name="threads">1 .. 1024, the caller included.</param>
    public ThreadTeam(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024);
        _scratch = new Scratch[threads];
        for (int i = 0; i < threads; i++)
            _scratch[i] = new Scratch();
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Serve(worker)) { IsBackground = true, Name = $"numerics {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>How many threads work together, the caller included.</summary>
    public int Threads => _threads.Length + 1;

    /// <summary>Runs items 0 .. <paramref name="items"/> - 1 and returns when all are done.</summary>
    public void Run<TWork>(int items, ref TWork work)
        where TWork : struct, ITeamWork
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (items <= 1 || _threads.Length == 0)
        {
            for (int item = 0; item < items; item++)
                work.Run(item, 0);
            return;
        }
        if (_entry.IsHeldByCurrentThread || !_entry.TryEnter())
            throw new InvalidOperationException("A thread team was asked to run while it runs: give each caller a team of its own.");
        try
        {
            long last = Volatile.Read(ref _ticket.Value) & ~0xFFFFFFFFL;
            long run = last + (1L << 32);
            // Closes the last run: a thread still looking at it must not take its next item for one of this run.
            Interlocked.Exchange(ref _ticket.Value, last | int.MaxValue);
            _invoke = &Invoke<TWork>;
            _work = Unsafe.AsPointer(ref work);
            _items = items;
            Volatile.Write(ref _done.Value, 0);
            Interlocked.Exchange(ref _ticket.Value, run);
            if (Volatile.Read(ref _parked) > 0)
            {
                lock (_door)
                    Monitor.PulseAll(_door);
            }
            TakeItems(run, 0);
            var spin = new SpinWait();
            while (Volatile.Read(ref _done.Value) < items)
                spin.SpinOnce(sleep1Threshold: -1);
            if (_fault is { } fault)
            {
                _fault = null;
                ExceptionDispatchInfo.Throw(fault);
            }
        }
        finally
        {
            _entry.Exit();
        }
    }

    /// <summary>Memory of one worker for the length of an item: at least <paramref name="floats"/>, aligned to 64 bytes, not cleared, kept and reused.</summary>
    internal float* ScratchOf(int worker, nint floats) => _scratch[worker].AtLeast(floats);

    /// <summary>Memory that all workers read, for the caller of a run: as <see cref="ScratchOf"/>, in huge pages where it is large.</summary>
    internal float* SharedScratch(nint floats) => _shared.AtLeast(floats);

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        lock (_door)
            Monitor.PulseAll(_door);
        foreach (Thread thread in _threads)
            thread.Join();
        foreach (Scratch scratch in _scratch)
            scratch.Dispose();
        _shared.Dispose();
    }

    private static void Invoke<TWork>(void* work, int item, int worker)
        where TWork : struct, ITeamWork
        => Unsafe.AsRef<TWork>(work).Run(item, worker);

    private void TakeItems(long run, int worker)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket.Value);
            // Stale readers of _items are harmless: taking an item succeeds only if the run is still the same.
            if ((ticket & ~0xFFFFFFFFL) != run || (int)ticket >= Volatile.Read(ref _items))
                return;
            if (Interlocked.CompareExchange(ref _ticket.Value, ticket + 1, ticket) != ticket)
                continue;
            try
            {
                _invoke(_work, (int)ticket, worker);
            }
#pragma warning disable CA1031 // carried to the caller
            catch (Exception fault)
#pragma warning restore CA1031
            {
                _fault = fault;
            }
            Interlocked.Increment(ref _done.Value);
        }
    }

    private void Serve(int worker)
    {
        long seen = 0;
        while (!_disposed)
        {
            long run = Volatile.Read(ref _ticket.Value) & ~0xFFFFFFFFL;
            for (int spin = 0; run == seen && spin < SpinsBeforeParking && !_disposed; spin++)
            {
                Thread.SpinWait(8);
                run = Volatile.Read(ref _ticket.Value) & ~0xFFFFFFFFL;
            }
            if (run != seen)
            {
                seen = run;
                TakeItems(run, worker);
                continue;
            }
            lock (_door)
            {
                // The full fences of Increment here and of Exchange in Run see to it that one of the two sees the other.
                Interlocked.Increment(ref _parked);
                while ((Volatile.Read(ref _ticket.Value) & ~0xFFFFFFFFL) == seen && !_disposed)
                    Monitor.Wait(_door);
                Interlocked.Decrement(ref _parked);
            }
        }
    }

    private sealed class Scratch : IDisposable
    {
        private float* _memory;
        private nint _floats;

        public float* AtLeast(nint floats)
        {
            if (floats > _floats)
            {
                HugePages.Free(_memory);
                _memory = null;
                _floats = 0;
                nint rounded = (floats + 4095) & ~(nint)4095;
                _memory = HugePages.Allocate((nuint)rounded * sizeof(float));
                _floats = rounded;
            }
            return _memory;
        }

        public void Dispose()
        {
            HugePages.Free(_memory);
            _memory = null;
            _floats = 0;
        }
    }

    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct PaddedLong
    {
        [FieldOffset(64)]
        public long Value;
    }
}
