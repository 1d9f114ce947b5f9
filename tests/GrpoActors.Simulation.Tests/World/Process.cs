namespace GrpoActors.Simulation.Tests.World;

/// <summary>Something that can die, freeze and start again. What it scheduled dies with it.</summary>
internal abstract class Process(SimulatedRun simulation, string name)
{
    private int life;
    private TimeSpan frozenUntil;
    private Action feltFrozen = () => { };

    public string Name => name;

    public bool IsUp { get; private set; }

    protected SimulatedRun Simulation => simulation;

    public void Start()
    {
        if (!IsUp)
        {
            IsUp = true;
            life++;
            Begin();
        }
    }

    public void Kill()
    {
        if (IsUp)
        {
            IsUp = false;
            life++;
            frozenUntil = default;
            End();
        }
    }

    public void Restart(TimeSpan pause)
    {
        Kill();
        simulation.After(pause, Start);
    }

    /// <param name="felt">Called for whatever has to wait for it.</param>
    public void Freeze(TimeSpan length, Action felt) => (frozenUntil, feltFrozen) = (simulation.Now + length, felt);

    /// <summary>Acts now, or when it thaws, unless it is down.</summary>
    public void Deliver(Action act)
    {
        if (IsUp)
        {
            Act(life, act);
        }
    }

    protected void After(TimeSpan pause, Action act)
    {
        int mine = life;
        simulation.After(pause, () => Act(mine, act));
    }

    private void Act(int mine, Action act)
    {
        if (life != mine)
        {
            return;
        }

        if (simulation.Now < frozenUntil)
        {
            feltFrozen();
            simulation.After(frozenUntil - simulation.Now, () => Act(mine, act));
            return;
        }

        act();
    }

    protected abstract void Begin();

    protected virtual void End()
    {
    }
}
