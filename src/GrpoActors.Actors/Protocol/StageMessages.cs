using System.Collections.Immutable;
using GrpoActors.Core.Deciding;
using GrpoActors.Core.Runs;

namespace GrpoActors.Actors.Protocol;

/// <summary>An effect on its way to the learner, with the journal's length when it became durable.</summary>
internal sealed record LearnerEffect(Effect Effect, long Position);

/// <summary>A version can be had by generators.</summary>
internal sealed record WeightsPublished(WeightsRef Weights);

/// <summary>The trainer that served the weights is gone; its successor will say where they are.</summary>
internal sealed record WeightsLost;

/// <summary>What a trainer has on disk.</summary>
internal sealed record TrainerCheckpoints(string Name, ImmutableArray<LedgerValue> Checkpoints);
