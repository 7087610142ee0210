/** States of a block that was asked for. */
export const ticket = { done: 0, open: 1, claimed: 2, failed: 3 } as const;

/** Whether the caller may do what the ticket asks for; nobody else does it then. */
export function claimTicket(tickets: Int32Array, at: number): boolean {
  return Atomics.compareExchange(tickets, at, ticket.open, ticket.claimed) === ticket.open;
}

/** Says how it ended, to whoever waits. */
export function endTicket(tickets: Int32Array, at: number, state: 0 | 3): void {
  Atomics.store(tickets, at, state);
  Atomics.notify(tickets, at);
}
