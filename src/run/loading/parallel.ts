/**
 * Several threads parse chunks of plain files into one arena. This thread is one of them: it parses while
 * the others start, and puts the results in order. What comes out does not depend on the threads.
 */
import { Worker } from "node:worker_threads";
import type { ParsedChunk } from "../../data/chunk.ts";
import type { ParseOptions, TextParser } from "../../data/parser.ts";
import type { Arena } from "../../kernels/arena.ts";
import { compiledKernels } from "../../kernels/loader.ts";
import { jobBytes } from "../../kernels/parser.ts";
import { workerUrl } from "../worker-url.ts";
import { claimChunks, closeClaims } from "./claim.ts";
import type { ParseWorkerData, ParseWorkerMessage } from "./parse-worker.ts";
import { type ChunkResult, type ChunkTask, openRoom, RangeReader } from "./range.ts";

export interface ParallelParsing {
  readonly arena: Arena;
  readonly parser: TextParser;
  readonly options: ParseOptions;
  /** Threads in all, this one included. */
  readonly threads: number;
  /** Takes the chunks that were parsed and then not asked for. */
  readonly discard: (chunks: readonly ParsedChunk[]) => void;
}

/** The results of all tasks, in their order. */
export async function* parseInParallel(
  tasks: readonly ChunkTask[],
  parsing: ParallelParsing,
): AsyncGenerator<ChunkResult> {
  const next = new Int32Array(new SharedArrayBuffer(4));
  const inbox = new Inbox(parsing.arena);
  const workers = startWorkers(tasks, { ...parsing, next, inbox });
  const reader = new RangeReader(openRoom(parsing.arena), parsing);
  const own = claimChunks(next, tasks.length);
  let complete = false;
  try {
    for (let task = 0; task < tasks.length; ) {
      const result = inbox.take(task);
      if (result) {
        yield result;
        task++;
      } else {
        await parseOwn(own, { tasks, reader, inbox });
      }
    }
    complete = true;
  } finally {
    closeClaims(next);
    const { address, byteLength } = reader.close();
    parsing.arena.release(address, byteLength);
    // After a failure nothing may write to the arena any more once the caller hears of it.
    if (!complete) await Promise.all(workers.map(({ ended }) => ended));
    // The process may end while a thread still says goodbye.
    for (const { worker } of workers) worker.unref();
    parsing.discard(inbox.rest());
  }
}

/** Parses the next chunk here, or waits for another thread when all are claimed. */
async function parseOwn(
  own: Iterator<number>,
  work: { tasks: readonly ChunkTask[]; reader: RangeReader; inbox: Inbox },
): Promise<void> {
  const { done, value } = own.next();
  if (done) return work.inbox.wait();
  work.inbox.put(value, work.reader.parse(work.tasks[value]!));
  // A turn of the event loop lets results, signals and progress in.
  await new Promise((resolve) => setImmediate(resolve));
}

interface ParsingThread {
  readonly worker: Worker;
  /** Never rejects: errors go to the inbox. */
  readonly ended: Promise<void>;
}

/** Starts the other threads. */
function startWorkers(
  tasks: readonly ChunkTask[],
  { arena, options, threads, next, inbox }: ParallelParsing & { next: Int32Array; inbox: Inbox },
): ParsingThread[] {
  const shared = { memory: arena.memory, kernels: compiledKernels(), options, next, tasks };
  const url = workerUrl("parse-worker", import.meta.url);
  return Array.from({ length: Math.min(threads, tasks.length) - 1 }, () => {
    // Rooms are opened and released by this thread: what a thread releases only it can use again.
    const job = arena.allocate(jobBytes);
    const workerData: ParseWorkerData = { ...shared, job, room: openRoom(arena) };
    const worker = new Worker(url, { workerData });
    worker.on("message", (message: ParseWorkerMessage) => {
      if (message.kind === "result") {
        inbox.put(message.task, message.result);
      } else {
        arena.release(message.room.address, message.room.byteLength);
        arena.release(job, jobBytes);
      }
    });
    worker.on("error", (error) => inbox.fail(error));
    return { worker, ended: new Promise((resolve) => worker.once("exit", () => resolve())) };
  });
}

/** Results that came before their turn. */
class Inbox {
  readonly #arena: Arena;
  readonly #results = new Map<number, ChunkResult>();
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  put(task: number, result: ChunkResult): void {
    this.#results.set(task, result);
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** @throws the error of a thread that failed. */
  take(task: number): ChunkResult | undefined {
    if (this.#error) throw this.#error;
    const result = this.#results.get(task);
    this.#results.delete(task);
    // The block may lie where another thread made the memory grow.
    if (result?.kind === "parsed") this.#arena.refresh();
    return result;
  }

  async wait(): Promise<void> {
    if (this.#error) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** The chunks that nobody took. */
  rest(): ParsedChunk[] {
    return [...this.#results.values()].flatMap((result) =>
      result.kind === "parsed" ? [result.chunk] : [],
    );
  }
}
