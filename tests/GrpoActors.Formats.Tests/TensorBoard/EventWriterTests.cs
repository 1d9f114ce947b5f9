using System.Buffers.Binary;
using GrpoActors.Formats.TensorBoard;

namespace GrpoActors.Formats.Tests.TensorBoard;

public sealed class EventWriterTests
{
    [Fact]
    public void The_bytes_are_those_of_tensorboard()
    {
        byte[] golden = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "TensorBoard", "tensorboard.events"));
        double begun = BinaryPrimitives.ReadDoubleLittleEndian(golden.AsSpan(13));
        const double reward = 1700000000.5;
        var stream = new MemoryStream();
        EventWriter writer = EventWriter.Begin(stream, begun, "tensorboard.summary.writer.event_file_writer");
        writer.Scalar(reward, 0, "reward", 0.25f);
        writer.Scalar(reward + 1, 1000, "kl", BinaryPrimitives.ReadSingleLittleEndian(golden.AsSpan(0xA3)));
        writer.Scalar(reward + 2, 2000, "completions/mean_length", 91.34375f);
        Assert.Equal(Convert.ToHexString(golden), Convert.ToHexString(stream.ToArray()));
    }
}
