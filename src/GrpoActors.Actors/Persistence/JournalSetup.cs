using Akka.Persistence.Sql.Config;
using GrpoActors.Journal;
using LinqToDB;
using LinqToDB.Data;
using LinqToDB.DataProvider;

namespace GrpoActors.Actors.Persistence;

/// <summary>Gives Akka.Persistence.Sql the connections of a run's journal, each of which asserts when it opens that what it commits is durable.</summary>
/// <remarks>What does not depend on the place stands in <c>persistence.conf</c>.</remarks>
internal static class JournalSetup
{
    private const string Plugin = "akka.persistence.journal.sql";

    /// <summary>A part of the actor system's setup: <c>BootstrapSetup.And</c>, or <c>AddSetup</c> of Akka.Hosting.</summary>
    public static MultiDataOptionsSetup Of(RunJournal journal)
    {
        JournalTables tables = journal.Tables;
        IDataProvider provider = DataConnection.GetDataProvider(tables.Provider, tables.Appending.ConnectionString)!;
        var setup = new MultiDataOptionsSetup();
        setup.AddDataOptions(Plugin, new DataOptions().UseProvider(tables.Provider).UseConnectionFactory(provider, _ => tables.Appending.CreateConnection()));
        return setup;
    }
}
