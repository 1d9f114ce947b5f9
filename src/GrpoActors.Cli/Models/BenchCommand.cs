using System.CommandLine;
using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using GrpoActors.Engine;
using GrpoActors.Engine.Measurement;
using GrpoActors.Numerics;
using GrpoActors.Runtime.Chaos;
using GrpoActors.Runtime.Recorded;

namespace GrpoActors.Cli.Models;

/// <summary><c>grpo bench</c>.</summary>
internal static class BenchCommand
{
    private const string Description = """
        Measures how fast this machine samples from a model and trains it, as shares of what the machine can do, and predicts the time of a step.

        Tokens a second of prefill, decoding at batch 1, 8 and 32 (a checkpoint in bfloat16 also as it is, before its first update), and training; memory; medians of several runs. docs/performance.md has the formulas of the limits.
        Run it while nothing else runs. SmolLM2-135M takes about a minute and 4 GB.

        Example:
          grpo bench HuggingFaceTB/SmolLM2-135M-Instruct --groups-per-step 4 --num-generations 8 --max-completion-length 96
        """;

    private const int TrainedSequences = 8;

    private static readonly int[] Batches = [1, 8, 32];

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Build()
    {
        var command = new Command("bench", Description.ReplaceLineEndings("\n"));
        var model = new Argument<string>("MODEL") { Description = "A Hugging Face folder, OWNER/NAME of a model that was pulled, or a run folder." };
        var groups = new Option<int>("--groups-per-step") { Description = "Prompts of the predicted step.", HelpName = "N", DefaultValueFactory = _ => 4 };
        var generations = new Option<int>("--num-generations") { Description = "Completions of a prompt.", HelpName = "N", DefaultValueFactory = _ => 8 };
        var prompt = new Option<int>("--prompt-tokens") { Description = "Length of a prompt.", HelpName = "N", DefaultValueFactory = _ => 80 };
        var completion = new Option<int>("--max-completion-length") { Description = "Length of a completion, in tokens.", HelpName = "N", DefaultValueFactory = _ => 96 };
        var threads = new Option<int>("--threads") { Description = "0: one for each core.", HelpName = "N" };
        var runs = new Option<int>("--runs") { Description = "Runs of which the median is taken.", HelpName = "N", DefaultValueFactory = _ => 3 };
        var json = new Option<bool>("--json") { Description = "JSON instead of text." };
        command.Add(model);
        foreach (Option option in new Option[] { groups, generations, prompt, completion, threads, runs, json })
        {
            command.Add(option);
        }

        command.SetAction(parsed => RowFile.Guard(() =>
        {
            foreach (Option<int> counted in new[] { groups, generations, prompt, completion, runs })
            {
                if (parsed.GetValue(counted) < (counted == completion ? 2 : 1))
                {
                    throw new MistakeException($"{counted.Name} is {parsed.GetValue(counted)}. Write {(counted == completion ? "2 or more" : "1 or more")}.");
                }
            }

            LoadedPolicy policy = LoadedPolicy.Open(parsed.GetRequiredValue(model));
            var asked = new Step(parsed.GetValue(groups), parsed.GetValue(generations), parsed.GetValue(prompt), parsed.GetValue(completion));
            if (asked.PromptTokens + asked.MaxCompletionLength > policy.Spec.ContextLength)
            {
                throw new MistakeException(
                    $"--prompt-tokens {asked.PromptTokens} and --max-completion-length {asked.MaxCompletionLength} do not fit the model's context of {policy.Spec.ContextLength}.");
            }

            int workers = parsed.GetValue(threads) > 0 ? parsed.GetValue(threads) : Environment.ProcessorCount;
            Bench found = Measure(policy, asked, workers, parsed.GetValue(runs));
            TextWriter to = parsed.InvocationConfiguration.Output;
            if (parsed.GetValue(json))
            {
                to.WriteLine(JsonSerializer.Serialize(found, Json));
            }
            else
            {
                Write(found, to);
            }

            return ExitCodes.Done;
        }));
        return command;
    }

    private static Bench Measure(LoadedPolicy policy, Step step, int threads, int runs)
    {
        ModelSpec spec = policy.Spec;
        var work = new Work(spec);
        Roofline roofline = Roofline.Measure(threads);
        var limits = new Limits(roofline.FlopsPerSecond, roofline.BytesPerSecond);
        using IEngine engine = policy.OpenEngine(threads, Math.Max(1024, step.PromptTokens));
        var paces = new List<Pace>();
        double prefillSeconds, decodeSeconds, samplerGigabytes;
        using (ISampler sampler = engine.OpenSampler())
        {
            sampler.Load(policy.Weights);
            prefillSeconds = ModelPace.Prefill(sampler, spec, step.GroupsPerStep, step.PromptTokens, runs).Seconds;
            paces.Add(Pace.Of("prefill", step.GroupsPerStep * step.PromptTokens, prefillSeconds, work.PrefillSeconds(limits, step.GroupsPerStep, step.PromptTokens)));
            double Decode(int rows, int group)
            {
                Timing timing = ModelPace.Decode(sampler, spec, rows, group, step.PromptTokens, step.MaxCompletionLength, runs);
                return timing.Seconds / (step.MaxCompletionLength - 1);
            }

            void Decodes(string part, (long Bytes, double BytesPerSecond) weights)
            {
                (long bytes, double bytesPerSecond) = weights;
                Limits there = limits with { BytesPerSecond = bytesPerSecond };
                foreach (int rows in Batches)
                {
                    double bound = work.DecodeSeconds(there, rows, Math.Max(1, rows / 8), step.PromptTokens, step.MaxCompletionLength / 2.0, (double)bytes / work.MatrixWeights);
                    paces.Add(Pace.Of($"{part} {rows}", rows, Decode(rows, 8), bound));
                }
            }

            // A checkpoint in bfloat16 is read as it is; after its first update it no longer is one.
            (long Bytes, double BytesPerSecond) weights = ModelPace.ReadWeights(sampler);
            if (weights.Bytes < sizeof(float) * work.MatrixWeights)
            {
                Decodes("untrained, batch", weights);
                sampler.Load(ModelPace.Trained(policy.Weights));
                weights = ModelPace.ReadWeights(sampler);
            }

            Decodes("decode, batch", weights);
            decodeSeconds = Decode(step.GroupsPerStep * step.NumGenerations, step.NumGenerations) * step.MaxCompletionLength;
            samplerGigabytes = ResidentGigabytes();
        }

        using ITrainer trainer = engine.OpenTrainer(policy.Weights);
        int tokens = step.PromptTokens + step.MaxCompletionLength - 1;
        double trained = (double)TrainedSequences * tokens, passSeconds = ModelPace.ForwardBackward(trainer, spec, TrainedSequences, tokens, runs).Seconds;
        double updateSeconds = ModelPace.Update(trainer, runs).Seconds;
        double stepSeconds = passSeconds / TrainedSequences * step.GroupsPerStep * step.NumGenerations;
        paces.Add(Pace.Of("training", trained, passSeconds + updateSeconds, work.TrainSeconds(limits, TrainedSequences, tokens) + Work.UpdateSeconds(limits, trainer.Parameters)));
        return new Bench(
            policy.Name, trainer.Parameters, threads, roofline.FlopsPerSecond / 1e9, roofline.BytesPerSecond / 1e9, paces, samplerGigabytes, ResidentGigabytes(), step,
            new Prediction(prefillSeconds, decodeSeconds, stepSeconds, updateSeconds, prefillSeconds + decodeSeconds + stepSeconds + updateSeconds));
    }

    private static double ResidentGigabytes()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64 / 1e9;
    }

    private static void Write(Bench found, TextWriter to)
    {
        to.WriteLine($"model      {found.Model}, {found.Parameters:#,##0} parameters, {found.Threads} threads");
        to.WriteLine($"machine    {found.GigaflopsPerSecond:0} GFLOP/s of fp32 multiply-adds, {found.GigabytesPerSecond:0.0} GB/s read from memory");
        foreach (Pace pace in found.Paces)
        {
            to.WriteLine($"{pace.Part,-19} {pace.TokensPerSecond,9:#,##0.0} tokens/s   {100 * pace.Share,5:0.0} % of the limit ({pace.LimitTokensPerSecond:#,##0})");
        }

        to.WriteLine($"memory     {found.SamplingGigabytes:0.00} GB resident when sampling, {found.TrainingGigabytes:0.00} GB when training");
        (Step step, Prediction at) = (found.Step, found.Predicted);
        to.WriteLine(
            $"step       {at.Seconds:0.0} s for {step.GroupsPerStep} prompts of {step.PromptTokens} with {step.NumGenerations} completions of {step.MaxCompletionLength} tokens: "
            + $"prefill {at.PrefillSeconds:0.0}, decoding {at.DecodeSeconds:0.0}, forward and backward {at.TrainSeconds:0.0}, update {at.UpdateSeconds:0.0}");
    }

    private sealed record Step(int GroupsPerStep, int NumGenerations, int PromptTokens, int MaxCompletionLength);

    private sealed record Prediction(double PrefillSeconds, double DecodeSeconds, double TrainSeconds, double UpdateSeconds, double Seconds);

    private sealed record Pace(string Part, double TokensPerSecond, double LimitTokensPerSecond)
    {
        public double Share => TokensPerSecond / LimitTokensPerSecond;

        public static Pace Of(string part, double tokens, double seconds, double limitSeconds) => new(part, tokens / seconds, tokens / limitSeconds);
    }

    private sealed record Bench(
        string Model, long Parameters, int Threads, double GigaflopsPerSecond, double GigabytesPerSecond, IReadOnlyList<Pace> Paces, double SamplingGigabytes, double TrainingGigabytes,
        Step Step, Prediction Predicted);
}
