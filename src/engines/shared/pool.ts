/**
 * Threads over one arena. Every thread instantiates the same kernels over the same memory, where blocks, lists and
 * vectors already lie, so a call is two numbers: which kernel, and the address of its job. The calling
 * thread is rank 0 and works too; then it sleeps until the others are done.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import type { Arena } from "../../kernels/arena.ts";
import type { SharedKernels } from "../../kernels/exports-shared.ts";
import { loadKernels } from "../../kernels/loader.ts";
import { builtUrl } from "../built-url.ts";

export type SharedKernelName = keyof SharedKernels;

/** What a thread is told to do. */
export interface Call {
  readonly kernel: SharedKernelName;
  readonly job: number;
}

/** What a thread knows from its start. */
export interface Seat {
  readonly memory: WebAssembly.Memory;
  readonly rank: number;
  /** Address of three words: calls done, calls failed, threads started. */
  readonly control: number;
}

export const threadsMax = 256;
/** No call takes this long: a thread that does not answer has died. */
const answerMsMax = 120_000;

interface Thread {
  readonly worker: Worker;
  readonly port: MessagePort;
}

/** Threads that call kernels together, the calling thread among them. */
export interface KernelTeam {
  readonly workers: number;
  /** Calls the kernel once a thread, at the same time, and returns when all calls have. */
  run(kernel: SharedKernelName, job: number): void;
  /** Calls the kernel for rank 0 alone, for work that is not worth waking others. */
  runAlone(kernel: SharedKernelName, job: number): void;
}

/** Owns its threads until it is disposed of. */
export class ThreadPool implements KernelTeam {
  readonly workers: number;
  readonly #threads: readonly Thread[];
  readonly #kernels: SharedKernels;
  readonly #control: Int32Array;
  readonly #ready: Promise<unknown>;

  /** Starts the threads, which takes some tens of milliseconds; meanwhile the caller may go on. */
  constructor(arena: Arena, workers: number) {
    if (!(workers >= 1 && workers <= threadsMax)) {
      throw new RangeError(
        `Cannot start threads as workers must be between 1 and ${threadsMax}: current value is ${workers}`,
      );
    }
    this.workers = workers;
    this.#kernels = loadKernels(arena);
    const control = arena.allocate(64);
    this.#control = new Int32Array(arena.buffer, control, 3).fill(0);
    this.#threads = Array.from({ length: workers - 1 }, (_, k) =>
      startThread({ memory: arena.memory, rank: k + 1, control }),
    );
    this.#ready = Promise.all(this.#threads.map(({ worker, port }) => firstOf(worker, port)));
    this.#ready.catch(() => {}); // whoever waits for `ready` hears of it
  }

  /** Resolves once every thread waits for calls; rejects if one could not start. */
  async ready(): Promise<void> {
    await this.#ready;
  }

  /** Whether every thread waits for calls by now. */
  get isReady(): boolean {
    return Atomics.load(this.#control, 2) === this.#threads.length;
  }

  /** Its first threads, for work that is for fewer than all. */
  team(workers: number): KernelTeam {
    if (workers > this.workers)
      throw new RangeError(`Cannot take ${workers} of ${this.workers} threads`);
    return {
      workers,
      run: (kernel, job) => this.#runOn(workers - 1, kernel, job),
      runAlone: (kernel, job) => this.runAlone(kernel, job),
    };
  }

  run(kernel: SharedKernelName, job: number): void {
    this.#runOn(this.#threads.length, kernel, job);
  }

  #runOn(others: number, kernel: SharedKernelName, job: number): void {
    const control = this.#control;
    Atomics.store(control, 0, 0);
    for (const { port } of this.#threads.slice(0, others))
      port.postMessage({ kernel, job } satisfies Call);
    this.#kernels[kernel](job, 0);
    for (let done = 0; (done = Atomics.load(control, 0)) < others; ) {
      if (Atomics.wait(control, 0, done, answerMsMax) === "timed-out") {
        throw new Error(`A thread did not answer within ${answerMsMax / 1000} s: its kernel hangs`);
      }
    }
    if (Atomics.load(control, 1) > 0) throw this.#failure();
  }

  runAlone(kernel: SharedKernelName, job: number): void {
    this.#kernels[kernel](job, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #failure(): unknown {
    for (const { port } of this.#threads) {
      for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
        if (got.message instanceof Error) return got.message;
      }
    }
    return new Error("A thread failed without saying why: this is a bug in glissade");
  }
}

function startThread(seat: Seat): Thread {
  const entry = builtUrl("worker", import.meta.url);
  // Looked for here, as a caller that sleeps until the threads answer would not hear that they never started.
  if (!existsSync(entry))
    throw new Error(`Cannot start threads as ${entry.pathname} is missing: run npm run build`);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(entry, {
    workerData: { ...seat, port: port2 },
    transferList: [port2],
  });
  // A program that is done must not hang on threads that wait for work.
  worker.unref();
  port1.unref();
  return { worker, port: port1 };
}

/** The thread's first message, or its failure to start. */
async function firstOf(worker: Worker, port: MessagePort): Promise<void> {
  const started = new AbortController();
  const { signal } = started;
  worker.ref();
  port.ref();
  try {
    const failed = once(worker, "error", { signal }).then(([error]) => Promise.reject(error));
    await Promise.race([once(port, "message", { signal }), failed]);
  } finally {
    started.abort();
    worker.unref();
    port.unref();
  }
}
