/** Starts processes a few at a time. */

/**
 * Starts so many in groups, each once all of the group before got in. Nobody is started once `signal` is aborted: who
 * asked for them ends those that were, and would know nothing of one that came later.
 */
export async function startInGroups<One extends { readonly isInside: boolean }>(of: {
  readonly count: number;
  readonly together: number;
  /** Starts the process with that number, from 0. */
  readonly start: (number: number) => One;
  /** Resolves once each is inside, or will not be. */
  readonly letIn: (group: readonly One[]) => Promise<void>;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { count, together, start, letIn, signal } = of;
  for (let first = 0; first < count && !signal.aborted; first += together) {
    const length = Math.min(together, count - first);
    const group = Array.from({ length }, (_, place) => start(first + place));
    await letIn(group);
    if (group.some(({ isInside }) => !isInside)) return;
  }
}
