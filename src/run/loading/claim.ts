/** The numbers of tasks that this thread gets, one after the other, from a counter that threads share. */
export function* claimChunks(next: Int32Array, tasks: number): Generator<number> {
  for (;;) {
    const task = Atomics.add(next, 0, 1);
    if (task >= tasks) return;
    yield task;
  }
}

/** Lets no thread claim another task. */
export function closeClaims(next: Int32Array): void {
  Atomics.store(next, 0, 2 ** 30);
}
