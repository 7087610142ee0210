/** A thread of the pool: calls the kernel it is told to, and says so in shared memory. */
import { type MessagePort, workerData } from "node:worker_threads";
import { Arena } from "../../kernels/arena.ts";
import { loadKernels } from "../../kernels/loader.ts";
import type { Call, Seat } from "./pool.ts";

const { memory, port, rank, control } = workerData as Seat & { port: MessagePort };
const kernels = loadKernels(new Arena(memory));
const [done, failed, started] = [0, 1, 2];
const words = new Int32Array(memory.buffer, control, 3);

port.on("message", ({ kernel, job }: Call) => {
  try {
    kernels[kernel](job, rank);
  } catch (error) {
    // The main thread sleeps until all are done: it must hear of this through shared memory.
    port.postMessage(error);
    Atomics.add(words, failed, 1);
  }
  Atomics.add(words, done, 1);
  Atomics.notify(words, done);
});
Atomics.add(words, started, 1);
port.postMessage("ready");
