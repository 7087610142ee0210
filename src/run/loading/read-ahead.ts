/**
 * A reader with a thread that reads ahead. Every block asked for is a ticket: a word in shared memory, which the
 * thread or the caller claims, whoever comes first, and sets when the block is there. So nobody waits for a
 * thread that has not started yet, or has died.
 */
import { Worker } from "node:worker_threads";
import type { BlockPlace } from "../../data/block-file.ts";
import type { Arena } from "../../kernels/arena.ts";
import { compiledKernels } from "../../kernels/loader.ts";
import { workerUrl } from "../worker-url.ts";
import { BlockLoad, type BlockReader } from "./block-reader.ts";
import type { ReadAheadData, ReadAheadRequest } from "./read-ahead-worker.ts";
import { claimTicket, endTicket, ticket } from "./tickets.ts";

/** Tickets in turn; far more than wait at a time, unless all blocks are asked for at once. */
const ticketsMin = 4096;
/** No disk takes this long for a block: the thread has died. */
const waitMsMax = 120_000;

export function readAhead(
  arena: Arena,
  descriptor: number,
  places: readonly BlockPlace[],
): BlockReader {
  const ticketCount = Math.max(ticketsMin, places.length);
  const tickets = new Int32Array(new SharedArrayBuffer(4 * ticketCount));
  const checked = new Uint8Array(new SharedArrayBuffer(places.length));
  const { memory } = arena;
  const workerData: ReadAheadData = {
    memory,
    kernels: compiledKernels(),
    descriptor,
    checked,
    tickets,
  };
  const worker = new Worker(workerUrl("read-ahead-worker", import.meta.url), { workerData });
  worker.unref();
  // Without the thread this one reads by itself.
  worker.on("error", () => {});
  const load = new BlockLoad(arena, descriptor, checked);
  const asked = new Map<number, { at: number; address: number }>();
  let last = 0;
  /** Reads a block that nobody has begun; false when there is none. Trouble is met again when it is waited for. */
  const help = (): boolean => {
    for (const [number, { at, address }] of asked) {
      if (!claimTicket(tickets, at)) continue;
      const problem = load.read(number, places[number]!, address);
      endTicket(tickets, at, problem === null ? ticket.done : ticket.failed);
      return true;
    }
    return false;
  };
  return {
    readsAhead: true,
    begin(requests) {
      const message = requests.map(({ number, address }): ReadAheadRequest => {
        const at = last++ % ticketCount;
        Atomics.store(tickets, at, ticket.open);
        asked.set(number, { at, address });
        return { at, number, address, place: places[number]! };
      });
      worker.postMessage(message);
    },
    wait(number) {
      const { at, address } = asked.get(number)!;
      asked.delete(number);
      if (!claimTicket(tickets, at)) {
        // Whoever would only wait reads what will be needed next.
        while (Atomics.load(tickets, at) === ticket.claimed && help());
        const state = Atomics.wait(tickets, at, ticket.claimed, waitMsMax);
        if (state === "timed-out") return "it could not be read in time";
        if (Atomics.load(tickets, at) === ticket.done) return null;
      }
      // Trouble of the thread is met here again, in words; the ticket is spent either way.
      Atomics.store(tickets, at, ticket.done);
      return load.read(number, places[number]!, address);
    },
    readRowIds: (number, address, offset) => load.readRowIds(places[number]!.rows, address, offset),
    close() {
      for (const { at } of asked.values()) {
        if (!claimTicket(tickets, at)) Atomics.wait(tickets, at, ticket.claimed, waitMsMax);
      }
      void worker.terminate();
    },
  };
}
