using Xunit;

// libtorch's number of threads and TorchSharp's count of tensors belong to the process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
