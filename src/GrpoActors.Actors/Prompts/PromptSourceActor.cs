using System.Runtime.InteropServices;
using Akka.Actor;
using GrpoActors.Actors.Generation;
using GrpoActors.Actors.Protocol;
using GrpoActors.Core.Completions;
using GrpoActors.Core.Runs;
using GrpoActors.Runtime.Composition;

namespace GrpoActors.Actors.Prompts;

/// <summary>Holds the prompts: gives each ticket the tokens of its row and passes it on to the generator pool.</summary>
/// <remarks>Which row a group asks is decided by <see cref="Core.Prompts.PromptSource"/>.</remarks>
internal sealed class PromptSourceActor : ReceiveActor
{
    /// <param name="phases">Rows of each phase, by its index.</param>
    public PromptSourceActor(IReadOnlyList<PromptTable> phases, IActorRef generators) =>
        Receive<Effect.SendTickets>(x => generators.Tell(new TicketsDrawn(x.Generator, [.. x.Tickets.Select(ticket => Prompted(phases, ticket))])));

    private static PromptedTicket Prompted(IReadOnlyList<PromptTable> phases, Ticket ticket) => new(ticket, ImmutableCollectionsMarshal.AsImmutableArray(phases[ticket.Group.Phase].Prompt(ticket.Row)));
}
