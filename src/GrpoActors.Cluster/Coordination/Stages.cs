using System.Collections.Immutable;
using Akka.Actor;
using GrpoActors.Core;
using GrpoActors.Core.Generation;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Learning;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Prompts;
using GrpoActors.Core.Runs;
using GrpoActors.Core.Scoring;

namespace GrpoActors.Cluster.Coordination;

/// <summary>Asks a stage what it makes of a command.</summary>
internal sealed record Decide(Command Command);

/// <summary>A stage's answer. Its memory goes along so that the supervisor can say at any moment what the run waits for.</summary>
internal sealed record Decided(object Memory, ImmutableArray<RunEvent> Events, ImmutableArray<Effect> Effects);

/// <summary>Events that some stage decided: every stage folds them before any is asked again.</summary>
internal sealed record Fold(ImmutableArray<RunEvent> Events);

/// <summary>A stage of the pipeline: a fold of the run, a memory that a crash may forget, and the stage's own Decide. It throws where an event cannot follow; its parent then begins again from the journal.</summary>
internal abstract class StageActor<TMemory> : ReceiveActor
{
    private RunState run;
    private TMemory memory;

    protected StageActor(RunState start, TMemory empty, Func<RunState, TMemory, Command, Decision<TMemory>> decide)
    {
        (run, memory) = (start, empty);
        Receive<Decide>(asked =>
        {
            Decision<TMemory> decision;
            try
            {
                decision = decide(run, memory, asked.Command);
            }
            catch (Exception failure)
            {
                Sender.Tell(new Status.Failure(failure)); // who waits for the answer must not wait for its deadline
                throw;
            }

            memory = decision.Memory;
            Sender.Tell(new Decided(memory!, decision.Events, decision.Effects));
        });
        Receive<Fold>(fold => run = fold.Events.Aggregate(run, static (state, e) => state.Apply(e)));
    }
}

internal sealed class PromptSourceActor(RunState run) : StageActor<PromptMemory>(run, new PromptMemory(), PromptSource.Decide);

internal sealed class GeneratorPoolActor(RunState run, DeadlinePlan deadlines) : StageActor<GeneratorMemory>(run, GeneratorMemory.Empty(deadlines.Ticket), GeneratorPool.Decide);

internal sealed class ScorerPoolActor(RunState run) : StageActor<ScorerMemory>(run, ScorerMemory.Empty, ScorerPool.Decide);

internal sealed class GroupAggregatorActor(RunState run, DeadlinePlan deadlines) : StageActor<AggregatorMemory>(run, new AggregatorMemory(deadlines.Training), GroupAggregator.Decide);

internal sealed class LearnerActor(RunState run, Digest identity, RunOperation operation) : StageActor<LearnerMemory>(run, LearnerMemory.Empty(identity, operation), Learner.Decide);
