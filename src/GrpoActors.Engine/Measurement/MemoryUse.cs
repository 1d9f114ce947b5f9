using GrpoActors.Engine.Cpu;
using GrpoActors.Engine.Models;
using GrpoActors.Engine.Training;

namespace GrpoActors.Engine.Measurement;

/// <summary>What a step asks of the trainer: groups of completions of one length after prompts of one length.</summary>
/// <param name="Completions">Of each prompt; 1 for worked examples.</param>
/// <param name="PromptTokens">Of the longest prompt.</param>
/// <param name="CompletionTokens">Of the longest completion.</param>
/// <param name="SharesPrompts">The trainer computes a prompt once for its completions.</param>
public sealed record StepShape(int Groups, int Completions, int PromptTokens, int CompletionTokens, bool SharesPrompts);

/// <summary>Who holds memory in a run.</summary>
/// <param name="Overlaps">Sampling goes on while a step trains: a lag, arrival order, or an evaluation.</param>
/// <param name="CopiesOfWeights">Published versions that stand beside the trainer's own weights: one for each step of lag.</param>
/// <param name="HasReference">A reference policy is kept.</param>
/// <param name="Samplers">One entry for each generator, and one for the evaluator.</param>
public sealed record MemoryPlan(
    int MicroBatchTokens, bool GradientCheckpointing, bool Overlaps, int CopiesOfWeights, bool HasReference, IReadOnlyList<StepShape> Steps, IReadOnlyList<SampleShape> Samplers);

/// <param name="What">What the bytes hold.</param>
/// <param name="SamplingBytes">Held while completions are sampled.</param>
/// <param name="TrainingBytes">Held while a step trains.</param>
public sealed record MemoryPart(string What, long SamplingBytes, long TrainingBytes);

/// <summary>The most memory that a run with completions of full length has resident, by what it holds. The formulas stand in <c>src/GrpoActors.Engine/README.md</c>.</summary>
public sealed record MemoryUse(IReadOnlyList<MemoryPart> Parts)
{
    /// <summary>Program, runtime, a tokenizer and the data's rows; measured.</summary>
    private const long ProgramBytes = 150_000_000;

    public long SamplingBytes => Parts.Sum(part => part.SamplingBytes);

    public long TrainingBytes => Parts.Sum(part => part.TrainingBytes);

    public long PeakBytes => Math.Max(SamplingBytes, TrainingBytes);

    public static MemoryUse Of(ModelSpec spec, MemoryPlan plan)
    {
        var layout = new ModelLayout(spec);
        long weights = (long)layout.BufferLength * sizeof(float);
        long gradient = weights + (spec.TiedHead ? (long)layout.Head.Length * sizeof(float) : 0);
        long activations = plan.Steps.Select(step => Activations(spec, plan, step)).DefaultIfEmpty().Max();
        long caches = plan.Samplers.Sum(sampler => Decoder.BytesOf(spec, sampler, plan.MicroBatchTokens)), packed = plan.Samplers.Count * weights;
        MemoryPart Always(string what, long bytes) => new(what, bytes, bytes);
        MemoryPart Sampling(string what, long bytes) => new(what, bytes, plan.Overlaps ? bytes : 0);
        MemoryPart Training(string what, long bytes) => new(what, plan.Overlaps ? bytes : 0, bytes);
        MemoryPart[] parts =
        [
            Always("program, tokenizer, data", ProgramBytes),
            Always("weights", weights),
            Always("two moments", 2 * weights),
            Always("reference policy", plan.HasReference ? weights : 0),
            Always($"published versions beside the trainer's: {plan.CopiesOfWeights}", plan.CopiesOfWeights * weights),
            Sampling($"weights packed for sampling: {plan.Samplers.Count}", packed),
            Sampling("keys, values and rows of sampling", caches),
            Training("gradient", gradient),
            Training("activations and logits", activations),
        ];
        return new MemoryUse([.. parts.Where(part => part.SamplingBytes + part.TrainingBytes > 0)]);
    }

    private static long Activations(ModelSpec spec, MemoryPlan plan, StepShape step)
    {
        (long rows, long scored) = LargestMicroBatch(step, plan.MicroBatchTokens);
        return TransformerPass.BytesOf(spec, rows, scored, plan.GradientCheckpointing);
    }

    /// <summary>Rows that the layers see, and rows of them that are scored.</summary>
    internal static (long Rows, long Scored) LargestMicroBatch(StepShape step, int microBatchTokens)
    {
        int most = step.SharesPrompts ? Math.Clamp(Math.Max(MicroBatches.UnitTokensMax, step.PromptTokens) / Math.Max(1, step.CompletionTokens), 1, step.Completions) : 1;
        long scoredOfUnit = (long)most * step.CompletionTokens, unitTokens = step.PromptTokens + scoredOfUnit;
        long unitRows = most > 1 ? step.PromptTokens - 1 + scoredOfUnit : unitTokens - 1;
        long units = step.Groups * ((step.Completions + most - 1L) / most), unitsAtOnce = Math.Clamp(microBatchTokens / unitTokens, 1, units);

        // Completions of less than full length fill a micro-batch to its budget.
        long rows = Math.Max(unitsAtOnce * unitRows, Math.Min(microBatchTokens, units * unitRows));
        return (rows, Math.Min(rows, Math.Max(unitsAtOnce * scoredOfUnit, rows * scoredOfUnit / unitRows)));
    }
}
