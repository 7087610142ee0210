/**
 * A task that counts: every update of worker p adds exactly 1 to coordinate p of v, and its rows to T.
 * Whatever a strategy reports about itself, the final replicas say how often each member's updates were
 * applied; small whole numbers are exact in f32, so one update lost or applied twice shows as a 1.
 */
import { createReplica } from "../math/replica.ts";
import type { Task } from "./learner.ts";
import { partsOfShares } from "./segments.ts";

/** A ledger for that many workers; coordinates beyond them stay 0. */
export function ledgerTask(options: { workers: number; rowsPerWorker: number }): Task {
  const { workers, rowsPerWorker } = options;
  const width = Math.max(8, workers);
  const countIn = (segments: readonly number[]) =>
    partsOfShares(segments, { workers, rowsOf: () => rowsPerWorker }).reduce(
      (rows, { from, to }) => rows + to - from,
      0,
    );
  return {
    name: "ledger",
    width,
    rows: workers * rowsPerWorker,
    createReplica: (length) => createReplica(length),
    createLearner: ({ rank, segments }) => ({
      rows: segments ? countIn(segments) : rowsPerWorker,
      learn(_replica, { from, to }) {
        const delta = new Float32Array(width);
        delta[rank] = 1;
        return { rows: to - from, delta };
      },
    }),
    // Of margins that are summed each digit, to the base of 8, counts a worker's: 8 of them are exact in f32.
    createColumnLearner: ({ range, rank }) => ({
      rows: workers * rowsPerWorker,
      predict: (_replica, { from, to }) => new Float32Array(to - from).fill(8 ** (rank % 8)),
      adjust: (_replica, { from, to }) => ({
        rows: to - from,
        delta: new Float32Array(range.to - range.from).fill(1),
      }),
    }),
    evaluate: () => ({ objective: 0, loss: 0, accuracy: Number.NaN }),
  };
}
