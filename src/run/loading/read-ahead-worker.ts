/** The thread that reads blocks before they are needed, into the places it is told. */
import { parentPort, workerData } from "node:worker_threads";
import type { BlockPlace } from "../../data/block-file.ts";
import { Arena } from "../../kernels/arena.ts";
import { useCompiledKernels } from "../../kernels/loader.ts";
import { BlockLoad } from "./block-reader.ts";
import { claimTicket, endTicket, ticket } from "./tickets.ts";

/** What the thread is started with. */
export interface ReadAheadData {
  readonly memory: WebAssembly.Memory;
  readonly kernels: WebAssembly.Module;
  readonly descriptor: number;
  readonly checked: Uint8Array;
  readonly tickets: Int32Array;
}

export interface ReadAheadRequest {
  readonly at: number;
  readonly number: number;
  readonly address: number;
  readonly place: BlockPlace;
}

const { memory, kernels, descriptor, checked, tickets } = workerData as ReadAheadData;
useCompiledKernels(kernels);
const load = new BlockLoad(new Arena(memory), descriptor, checked);

parentPort?.on("message", (requests: readonly ReadAheadRequest[]) => {
  for (const { at, number, address, place } of requests) {
    if (!claimTicket(tickets, at)) continue;
    const problem = load.read(number, place, address);
    endTicket(tickets, at, problem === null ? ticket.done : ticket.failed);
  }
});
