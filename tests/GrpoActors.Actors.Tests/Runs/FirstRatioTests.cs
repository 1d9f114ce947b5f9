using GrpoActors.Core;
using GrpoActors.Core.Groups;
using GrpoActors.Core.Plans;
using GrpoActors.Core.Runs;
using GrpoActors.Engine;
using GrpoActors.Formats.Files;
using GrpoActors.Runtime.Checkpoints;
using GrpoActors.Runtime.Composition;
using GrpoActors.Runtime.Tests.Audit;
using GrpoActors.Runtime.Workers;
using Xunit;

namespace GrpoActors.Actors.Tests.Runs;

/// <summary>Promise 4: sampler and learner give the same log-probs, as computed from the journal.</summary>
public sealed class FirstRatioTests : IDisposable
{
    private const string DifferenceMax = "sampling/sampling_logp_difference/max";
    private const string RatioMin = "sampling/importance_sampling_ratio/min";
    private const string RatioMax = "sampling/importance_sampling_ratio/max";
    private const string K3 = "grpo.mismatch.k3_kl";
    private const string ChiSquare = "grpo.mismatch.chi2_seq";
    private const string EffectiveSampleSize = "grpo.mismatch.rollout_is_eff_sample_size";
    private const long Flipped = 4;

    private readonly TinyRun tiny = new();

    public void Dispose() => tiny.Dispose();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    public async Task In_every_lag_0_step_the_first_ratio_is_exactly_1_and_no_log_prob_differs(int iterations, int miniBatches)
    {
        tiny.Overrides.AddRange([("phases.grpo.num_iterations", $"{iterations}"), ("phases.grpo.mini_batches", $"{miniBatches}"), ("phases.grpo.temperature", "0.8")]);
        Outcome outcome = await tiny.Train();
        RunEvent.StepCommitted[] steps = [.. tiny.Events().OfType<RunEvent.StepCommitted>().Where(step => step.Inputs.Kind == PhaseKind.Grpo)];
        Assert.Equal(5, steps.Length);
        Assert.All(steps, step => Assert.Equal((0.0, 1.0, 1.0), (step.Outputs[DifferenceMax], step.Outputs[RatioMin], step.Outputs[RatioMax])));
        Assert.All(steps, step => Assert.Equal((0.0, 0.0, 1.0), (step.Outputs[K3], step.Outputs[ChiSquare], step.Outputs[EffectiveSampleSize])));
        Assert.All(outcome.Steps[2..], step => Assert.Equal((0.0, 1.0, 1.0), (step[DifferenceMax], step[RatioMin], step[RatioMax])));
    }

    [Fact]
    public async Task With_lag_1_they_do_differ()
    {
        tiny.Overrides.Add(("lag", "1"));
        Outcome outcome = await tiny.Train();
        Assert.Equal(0.0, outcome.Steps[2][DifferenceMax]);
        Assert.All(outcome.Steps[3..], step => Assert.True(step.Lag == 1 && step[DifferenceMax] > 0 && step[RatioMin] < step[RatioMax]));
        Assert.All(outcome.Steps[3..], step => Assert.True(step[K3] > 0 && step[ChiSquare] != 0 && step[EffectiveSampleSize] < 1));
    }

    [Theory]
    [InlineData(0)] // the lowest bit of the mantissa
    [InlineData(18)]
    public async Task One_flipped_bit_of_a_journalled_log_prob_moves_both_and_with_them_the_step(int bit)
    {
        await tiny.Train();
        List<RunEvent> events = tiny.Events();
        (StepOutputs untouched, RunEvent.StepCommitted recorded) = Trained(events);
        Assert.Equal(recorded.Outputs.Update, untouched.Update);
        Assert.Equal(0.0, untouched[DifferenceMax]);

        tiny.Journal.Rewrite(DamagedStream.WithChainMadeRight(tiny.Plan().Identity, Flip(events, bit)));
        (StepOutputs outputs, _) = Trained(tiny.Events());
        Assert.True(outputs[DifferenceMax] > 0);
        Assert.True(outputs[RatioMin] < 1 || outputs[RatioMax] > 1);
        Assert.NotEqual(recorded.Outputs.Batch, outputs.Batch);
        if (bit > 0)
        {
            Assert.NotEqual(recorded.Outputs.Update, outputs.Update);
        }
    }

    [Fact]
    public async Task A_run_that_replays_the_flipped_bit_stops_and_names_the_step()
    {
        await tiny.StopAfter(Flipped + 1);
        Directory.Delete(tiny.CheckpointFolder, recursive: true);
        tiny.Journal.Rewrite(DamagedStream.WithChainMadeRight(tiny.Plan().Identity, Flip(tiny.Events(), 18)));
        var failure = await Assert.ThrowsAsync<RunFailedException>(() => tiny.Train());
        Assert.StartsWith($"Step {Flipped + 1} trained again gives other bits", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Flips a bit of one log-prob in a completion that has an advantage.</summary>
    private List<RunEvent> Flip(List<RunEvent> events, int bit)
    {
        RunState before = Before(events, out RunEvent.StepCommitted step);
        TrainingRow row = BatchOf.Step(before, step.Inputs).Rows.First(row => row.Advantage != 0);
        return events.Change<RunEvent.CompletionsScored>(e => e.Group == row.Id.Group, e => e with
        {
            Completions = e.Completions.Changed(row.Id.Index, scored => scored with { Completion = scored.Completion with { LogProbs = scored.Completion.LogProbs.Changed(0, x => WithBit(x, bit)) } }),
        });
    }

    private static float WithBit(float value, int bit) => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) ^ (1 << bit));

    private RunState Before(List<RunEvent> events, out RunEvent.StepCommitted step)
    {
        RunState run = RunState.Begin(tiny.Plan().Identity);
        foreach (RunEvent e in events)
        {
            if (e is RunEvent.StepCommitted { Inputs.Step: Flipped } found)
            {
                step = found;
                return run;
            }

            run = run.Apply(e);
        }

        throw new InvalidOperationException($"Step {Flipped} is not in the journal.");
    }

    /// <summary>Trains the journal from its beginning up to and including the step, as recovery does; the last one without comparing.</summary>
    private (StepOutputs Outputs, RunEvent.StepCommitted Recorded) Trained(List<RunEvent> events)
    {
        using RunSetup setup = tiny.Setup();
        using ITrainer engine = setup.Engine.OpenTrainer(setup.StartingWeights());
        var training = new StepTraining(setup, engine, new CheckpointStore(PhysicalDisk.Instance, tiny.CheckpointFolder), new PolicyVersion(0), setup.Plan.Identity.StartingWeights);
        RunState run = RunState.Begin(setup.Plan.Identity);
        foreach (RunEvent e in events)
        {
            if (e is RunEvent.StepCommitted { Inputs.Step: Flipped } step)
            {
                return (training.Train(BatchOf.Step(run, step.Inputs), CancellationToken.None), step);
            }

            training.Replay(run, e, CancellationToken.None);
            run = run.Apply(e);
        }

        throw new InvalidOperationException($"Step {Flipped} is not in the journal.");
    }
}
