namespace GrpoActors.Cluster.Bulk;

/// <summary>Something could not be brought from another node. The message is one sentence that names it and the reason.</summary>
internal sealed class BulkException(string message, Exception? inner = null) : Exception(message, inner);
